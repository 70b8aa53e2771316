"""Write dates and times in the back office. The law: an exchange's times show their microseconds, in UTC."""
