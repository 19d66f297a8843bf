# A student's server: JupyterLab with a Python kernel, as user 1000 and group 100, whom homes belong to.
python3 -m venv /opt/venv
/opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check -r /recipe/requirements.txt
# Compiled once here, not by every student at every start.
/opt/venv/bin/python -m compileall -q /opt/venv
useradd --uid 1000 --gid 100 --create-home --shell /bin/bash jovyan
