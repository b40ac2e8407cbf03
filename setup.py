from setuptools import setup

# Editable installs as a plain folder on the path: OctoPrint 1.10 does not see others.
setup(options={"editable_wheel": {"mode": "compat"}})
