"""What a conversion will do, decided before anything is written."""
