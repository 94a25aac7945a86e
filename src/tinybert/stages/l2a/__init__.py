"""What the recipe l2a is made of besides what recipes share: its settings, its pool of samples, its reward."""
