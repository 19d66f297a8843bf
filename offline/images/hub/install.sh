# The hub: JupyterHub, its spawner, authenticators and culler, as the unprivileged user 1000.
python3 -m venv /opt/venv
/opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check -r /recipe/requirements.txt
/opt/venv/bin/python -m compileall -q /opt/venv
groupadd --gid 1000 jovyan
useradd --uid 1000 --gid 1000 --create-home jovyan
mkdir -p /srv/jupyterhub
chown 1000:1000 /srv/jupyterhub
