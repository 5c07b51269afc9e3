"""What an exported model is, and how it is asked: by whoever uses one, without the trainer.

An export is a folder: `export.json`, and the model in one or more formats. `python -m
trainer.export` writes it; `export_file` reads the description, `clip_input` brings files to what
the model takes, and `exported` asks the model, which needs TensorFlow.
"""
