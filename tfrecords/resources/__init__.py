"""What of the machine this process may use: cores, memory; and with what it ends."""
