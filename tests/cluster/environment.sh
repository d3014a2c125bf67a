# An environment in a project's folder that finds the packages of another one, its scripts included.
#
#   environment.sh PROJECT PYTHON PACKAGES SCRIPTS
set -euo pipefail
environment=$1/.venv python=$2 packages=$3 scripts=$4
mkdir -p "$1"
"$python" -m venv --without-pip "$environment"
site=$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$packages" > "$site/shared.pth"
for script in "$scripts"/*; do
  copy=$environment/bin/${script##*/}
  if [ -f "$script" ] && [ ! -e "$copy" ] && head -c 2 "$script" | grep -aq '^#!'; then
    sed "1s|^#!.*python.*|#!$environment/bin/python|" "$script" > "$copy"
    chmod +x "$copy"
  fi
done
