"""What every other room uses: errors, files of strangers, progress."""
