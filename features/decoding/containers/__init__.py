"""What containers say of how much audio they hold, held against what is there."""
