"""What travels, and what is said of it: messages, errors, texts, the hive map."""
