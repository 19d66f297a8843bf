# Source this to call pulumi yourself: `. ./env.sh && pulumi preview --stack dev`. The Makefile does the same.
# State and passphrase are kept in the user's home, so that they outlive this folder.
export COURSEHUB_STATE="${COURSEHUB_STATE:-$HOME/.local/state/coursehub}"
mkdir -p "$COURSEHUB_STATE"
if [ ! -s "$COURSEHUB_STATE/passphrase" ]; then
  (umask 077 && head -c 24 /dev/urandom | base64 > "$COURSEHUB_STATE/passphrase")
fi
# Without the files that tell of files beside the state: a pulumi killed while it writes one could not read the state.
export PULUMI_BACKEND_URL="file://$COURSEHUB_STATE?metadata=skip"
export PULUMI_CONFIG_PASSPHRASE_FILE="$COURSEHUB_STATE/passphrase"
export PULUMI_SKIP_UPDATE_CHECK=true
export VIRTUAL_ENV="$PWD/.venv"
coursehub_cache="${COURSEHUB_CACHE:-$HOME/.cache/coursehub}"
export PULUMI_HOME="$coursehub_cache/pulumi"
export PATH="$coursehub_cache/tools:$VIRTUAL_ENV/bin:$PATH"
