# Thin: every target is a few commands that also work by hand. The build itself is CMake's.
BUILD ?= build
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
MODEL ?=
CMAKE_FLAGS ?=
CTEST_FLAGS ?=
LINT_BUILD ?= $(BUILD)-lint
CTEST = ctest --output-on-failure --no-tests=error --output-junit ctest.xml -j $(JOBS) $(CTEST_FLAGS)

.PHONY: all deps build run test test-asan test-tsan lint tidy bench fuzz install uninstall deb dist windows reproducible wheel test-python wasm test-web apk clean

all: build

deps:
	tools/packages.sh build

# The first time without the tests, which need one more package; `make test` turns them on.
build:
	cmake --preset release -B $(BUILD) -DCMAKE_INSTALL_PREFIX=$(PREFIX) \
		$(if $(wildcard $(BUILD)/CMakeCache.txt),,-DWHATSIT_TESTS=OFF) $(CMAKE_FLAGS)
	cmake --build $(BUILD) -j $(JOBS) --target whatsit whatsit_static whatsit_shared

run: deps build
	$(BUILD)/whatsit samples/*.jpg

test:
	tools/packages.sh build test
	cmake --preset release -B $(BUILD) -DWHATSIT_TESTS=ON $(CMAKE_FLAGS)
	cmake --build $(BUILD) -j $(JOBS)
	$(CTEST) --test-dir $(BUILD) -LE web

# The whole suite under AddressSanitizer and UBSan.
test-asan:
	tools/packages.sh build test
	cmake --preset asan -B $(BUILD)-asan
	cmake --build $(BUILD)-asan -j $(JOBS)
	$(CTEST) --test-dir $(BUILD)-asan

# What runs in threads, under ThreadSanitizer.
test-tsan:
	tools/packages.sh build test
	cmake --preset tsan -B $(BUILD)-tsan
	cmake --build $(BUILD)-tsan -j $(JOBS) --target whatsit test_base_pool test_server_describer
	tools/tsan.sh $(BUILD)-tsan

lint:
	tools/packages.sh build lint
	tools/lint.sh $(LINT_BUILD)

tidy:
	tools/packages.sh build test tidy
	tools/tidy.sh $(BUILD)-tidy

# Random weights in the shape of ViT-B/32 unless MODEL=... names a model.
bench:
	tools/packages.sh build $(if $(MODEL),,bench)
	cmake --preset release -B $(BUILD) -DWHATSIT_BENCH=ON $(if $(wildcard $(BUILD)/CMakeCache.txt),,-DWHATSIT_TESTS=OFF)
	cmake --build $(BUILD) -j $(JOBS) --target bench_encode
	$(if $(MODEL),,test -d $(BUILD)/random-b32 || python3 bench/random_clip.py b32 $(BUILD)/random-b32)
	$(BUILD)/bench/bench_encode $(if $(MODEL),$(MODEL),$(BUILD)/random-b32)

# Every harness for FUZZ_SECONDS with libFuzzer, beginning with the committed corpus.
FUZZ_SECONDS ?= 600
fuzz:
	tools/packages.sh build fuzz
	cmake --preset fuzz -B $(BUILD)-fuzz -DWHATSIT_FUZZ_SECONDS=$(FUZZ_SECONDS)
	cmake --build $(BUILD)-fuzz --target fuzz

install: build
	cmake --install $(BUILD)

uninstall:
	@test -f $(BUILD)/install_manifest.txt || { echo "nothing was installed from $(BUILD)" >&2; exit 1; }
	xargs -d '\n' rm -f <$(BUILD)/install_manifest.txt
	awk '{ while (sub("/[^/]*$$", "") && /\/whatsit(\/|$$)/) print }' $(BUILD)/install_manifest.txt | LC_ALL=C sort -ru | \
		xargs -d '\n' -r rmdir --ignore-fail-on-non-empty 2>/dev/null || true

# What is packed has the date of the last commit, and modes that no umask changes, so that two builds are the same bytes.
ifndef SOURCE_DATE_EPOCH
COMMIT_DATE := $(shell git log -1 --format=%ct 2>/dev/null)
ifneq ($(COMMIT_DATE),)
deb dist wheel windows: export SOURCE_DATE_EPOCH = $(COMMIT_DATE)
endif
endif

# Debian packages (program, library, -dev), into $(BUILD)/packages.
deb: build
	tools/packages.sh build deb
	umask 022 && cpack --config $(BUILD)/CPackConfig.cmake -B $(BUILD)/packages -G DEB

# Archives that bring their libraries and need of the system glibc alone, each with its SPDX list of parts beside it:
# for this processor, and from x86-64 for AArch64, too. ARCH: for that one alone.
MACHINE := $(shell uname -m)
ARCH ?= $(MACHINE) $(if $(filter x86_64,$(MACHINE)),aarch64)
dist:
	tools/packages.sh build $(if $(filter-out $(MACHINE),$(ARCH)),cross)
	set -e; for arch in $(ARCH); do CMAKE_FLAGS="$(CMAKE_FLAGS)" tools/tarball.sh $(BUILD)-tarball-$$arch $(BUILD)/packages $(JOBS) $$arch; done

# The program and the library for Windows (x86-64), into $(BUILD)/packages; then tried under wine. URL and HOMEPAGE, where
# a release lies: the manifests for winget, too.
URL ?=
HOMEPAGE ?=
windows: build
	tools/packages.sh windows
	tools/windows.sh $(BUILD)-windows $(BUILD)/packages $(JOBS)
	$(if $(URL),tools/winget.sh $(BUILD)/packages/whatsit-*-windows-x86_64.zip $(URL) $(HOMEPAGE) $(BUILD)/packages/winget)
	tools/try_windows.sh $(BUILD)-windows $(BUILD)/packages $(BUILD)/whatsit || test $$? = 77

# Two builds of the packages above, in different folders: the same bytes? Takes many minutes.
reproducible:
	tools/packages.sh build deb wheel
	tools/reproducible.sh $(JOBS)

# The Python wheel, into $(BUILD)/wheels; then tried in an environment of its own. Takes packages from PyPI.
PYTHON ?= python3
wheel:
	tools/packages.sh build wheel
	tools/wheel.sh $(BUILD) $(PYTHON)

test-python: build
	tools/python.sh $(BUILD) $(PYTHON)

# The core as WebAssembly modules; then what runs them.
wasm:
	@test -e wasm/CMakeLists.txt || { echo "there is no WebAssembly build here yet" >&2; exit 1; }
	tools/packages.sh build wasm
	cmake -S wasm -B $(BUILD)-wasm -G Ninja
	cmake --build $(BUILD)-wasm -j $(JOBS)

# The app in Chromium. Takes packages from npm, which nothing else does.
test-web: wasm
	tools/packages.sh build test web
	cmake --preset release -B $(BUILD) -DWHATSIT_TESTS=ON $(CMAKE_FLAGS)
	cmake --build $(BUILD) -j $(JOBS)
	$(CTEST) --test-dir $(BUILD) -L web

# The app for Android, into $(BUILD)/whatsit.apk; what it is made of is tried first. APK_KEY: a PKCS12 file with the key
# 'whatsit' (without: one is made, once, in $(BUILD)).
apk: wasm build
	tools/packages.sh apk
	rm -rf $(BUILD)/apk-site
	web/make_site.py $(BUILD)/apk-site --core $(BUILD)-wasm --model $(or $(MODEL),models/whatsit-nano.gguf) \
		$(addprefix --describer ,$(or $(DESCRIBER),$(if $(MODEL),,models/whatsit-describe.gguf))) --whatsit $(BUILD)/whatsit
	android/make_apk.py $(BUILD)/apk-site $(BUILD)/whatsit.apk $(if $(APK_KEY),--keystore $(APK_KEY))
	tests/android/run.py $(BUILD)/whatsit.apk

clean:
	cmake -E rm -rf $(BUILD) $(wildcard $(BUILD)-tarball-*) $(BUILD)-asan $(BUILD)-fuzz $(BUILD)-lint $(BUILD)-wasm $(BUILD)-windows $(BUILD)-tidy
