"""What English words mean the same, what parts of speech they are, and which carry no meaning of their own."""

from tinybert.data.lexicon.closed import STOP_WORDS
from tinybert.data.lexicon.lookup import knows, synonyms, tag

__all__ = ["STOP_WORDS", "knows", "synonyms", "tag"]
