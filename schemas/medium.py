"""What the files of a corpus are."""

AUDIO = 'audio'
PICTURES = 'pictures'
MEDIA = (AUDIO, PICTURES)
