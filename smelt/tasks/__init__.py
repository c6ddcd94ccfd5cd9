"""What an answer is and how to read one: the codec that training and serving share."""
