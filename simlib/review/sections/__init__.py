"""The sections of a review, a file each, in the words of its reader."""
