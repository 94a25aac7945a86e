"""Networks: facts about their architectures, loading, traces, teachers, students."""
