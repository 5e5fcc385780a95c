#!/usr/bin/env bash
# Linux 6.1 from Debian's linux-source-6.1 in a small configuration of our own, beside QEMU: by hand, or at night.
#
#   test/boot/linux-6.1.sh [ROUNDS]
#
# Builds the kernel once into .cache/guests/linux-6.1 (about six minutes on two cores), with Debian 12's cross compiler, unpacked
# there as well. Then boots it ROUNDS times (default 3) on Hartscope and on QEMU in turn with a busybox initramfs: to a
# shell that runs the same commands, to power-off. Prints wall time, CPU time and instructions of each run. Needs the
# bundles in dist/ and qemu-system-riscv64.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
cache=$repository/.cache/guests/linux-6.1
rounds=${1:-3}
jobs=${JOBS:-$(nproc)}

# fetch SUITE ARCHITECTURE FOLDER PACKAGE…: unpacks packages by way of an apt state of its own.
fetch() {
  local suite=$1 architecture=$2 folder=$3 state=$cache/apt-$1-$2
  shift 3
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/debs"
  : >"$state/status"
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | grep -m 1 -E '/debian/?$' || true)
  echo "deb [arch=$architecture signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} $suite main" \
    >"$state/sources.list"
  local options=(
    -qq -o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$state/lists"
    -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache" -o "APT::Architecture=$architecture"
    -o "APT::Architectures=$architecture" -o Acquire::Languages=none
  )
  apt-get "${options[@]}" update
  (cd "$state/debs" && apt-get "${options[@]}" download "$@")
  mkdir -p "$folder"
  local deb
  for deb in "$state"/debs/*.deb; do dpkg-deb -x "$deb" "$folder"; done
  rm -r "$state"
}

host=$(dpkg --print-architecture)
tools=$cache/tools
if [ ! -e "$tools/.done" ]; then
  fetch bookworm "$host" "$tools" linux-source-6.1 gcc-12-riscv64-linux-gnu cpp-12-riscv64-linux-gnu binutils-riscv64-linux-gnu \
    flex bison m4 bc libisl23 libmpc3 libmpfr6 libgmp10 libsigsegv2
  touch "$tools/.done"
fi
libraries=$(echo "$tools"/usr/lib/*-linux-gnu*/ | tr ' ' ':')
[ -e "$cache/bin/ld" ] || {
  mkdir -p "$cache/bin"
  for tool in "$tools"/usr/bin/riscv64-linux-gnu-*; do ln -sf "$tool" "$cache/bin/"; done
  ln -sf "$tools/usr/bin/riscv64-linux-gnu-gcc-12" "$cache/bin/riscv64-linux-gnu-gcc"
  for tool in flex bison m4 bc; do ln -sf "$tools/usr/bin/$tool" "$cache/bin/"; done
}

image=$cache/Image
if [ ! -e "$image" ] || [ "$here/linux-6.1.config" -nt "$image" ]; then
  source=$cache/source
  [ -d "$source" ] || {
    rm -rf "$source.part"
    mkdir "$source.part"
    tar -xf "$tools/usr/src/linux-source-6.1.tar.xz" -C "$source.part" --strip-components 1
    mv "$source.part" "$source"
  }
  build() {
    LD_LIBRARY_PATH=$libraries BISON_PKGDATADIR=$tools/usr/share/bison M4=$tools/usr/bin/m4 PATH=$cache/bin:$PATH \
      KCONFIG_ALLCONFIG=$here/linux-6.1.config KBUILD_BUILD_TIMESTAMP=@0 KBUILD_BUILD_USER=hartscope KBUILD_BUILD_HOST=build \
      nice -n 15 make -s -C "$source" O="$cache/build" ARCH=riscv CROSS_COMPILE=riscv64-linux-gnu- "$@"
  }
  build allnoconfig
  while IFS= read -r line; do
    case $line in CONFIG_*) grep -qxF "$line" "$cache/build/.config" || echo "not in this kernel: $line" >&2 ;; esac
  done <"$here/linux-6.1.config"
  build -j "$jobs" Image vmlinux
  cp "$cache/build/vmlinux" "$cache/vmlinux"
  cp "$cache/build/arch/riscv/boot/Image" "$image"
fi

busybox=$cache/user/usr/bin/busybox
[ -e "$busybox" ] || fetch trixie riscv64 "$cache/user" busybox-static

# The guest's program: commands as one would type them, then power-off.
cat >"$cache/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
setsid cttyhack sh
poweroff -f
INIT
cat >"$cache/initramfs.txt" <<LIST
dir /bin 755 0 0
dir /dev 755 0 0
dir /proc 755 0 0
dir /sys 755 0 0
nod /dev/console 600 0 0 c 5 1
nod /dev/ttyS0 600 0 0 c 4 64
file /bin/busybox $busybox 755 0 0
file /init $cache/init 755 0 0
LIST
"$cache/build/usr/gen_init_cpio" "$cache/initramfs.txt" >"$cache/initramfs.cpio"

# Types the commands when the shell is there; their answers are the same everywhere.
commands=('uname -srm' 'ls /' 'sha256sum /bin/busybox' 'i=0; while [ $i -lt 50 ]; do i=$((i + 1)); true | cat; done; echo $i' exit)
converse() {
  local name=$1
  shift
  coproc machine { TIMEFORMAT='%R %U %S'; { time "$@" 2>"$cache/$name.err"; } 2>"$cache/$name.time"; }
  local out=${machine[0]} in=${machine[1]} pid=$machine_PID text='' piece next=0
  exec {reader}<&"$out" {writer}>&"$in"
  while IFS= read -r -t 300 -n 1 -d '' piece <&"$reader"; do
    text+=$piece
    if [ "$next" -lt "${#commands[@]}" ] && [[ ${text: -4} == '~ # ' ]]; then
      printf '%s\r' "${commands[$next]}" >&"$writer"
      next=$((next + 1))
    fi
  done
  exec {reader}<&- {writer}>&-
  wait "$pid"
  printf '%s' "$text" >"$cache/$name.out"
  [ "$next" -eq "${#commands[@]}" ] || { echo "$name: the conversation stopped before command $next; see $cache/$name.out" >&2; exit 1; }
}
answers() { tr -d '\r' <"$cache/$1.out" | sed -e 's/\x1b\[6n//g' -e '1,/^~ # /{/^~ # /!d}' -e '/reboot: /d'; }

guest=(-kernel "$image" -initrd "$cache/initramfs.cpio" -append console=ttyS0)
printf '%-10s %8s %8s %14s\n' '' 'wall s' 'CPU s' instructions
for ((round = 1; round <= rounds; round++)); do
  converse hartscope node "$repository/dist/vmm.cjs" run "${guest[@]/#-/--}" --stats json
  converse qemu qemu-system-riscv64 -M virt -display none -monitor none -serial stdio -no-reboot "${guest[@]}"
  if ! diff <(answers qemu) <(answers hartscope); then echo 'the sessions differ' >&2; exit 1; fi
  instructions=$(sed -n 's/.*"instructions":\([0-9]*\).*/\1/p' "$cache/hartscope.err")
  for name in hartscope qemu; do
    read -r wall user system <"$cache/$name.time"
    printf '%-10s %8s %8s %14s\n' "$name" "$wall" "$(echo "$user + $system" | bc)" "$([ "$name" = hartscope ] && echo "$instructions")"
  done
done
