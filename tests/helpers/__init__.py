"""What several tests share. None of it uses minwn's own checker: the tests judge by themselves."""
