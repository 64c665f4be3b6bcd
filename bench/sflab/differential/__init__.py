"""What far ends receive through sipfront and through Debian's Kamailio, compared message by message."""
