# The front door. `make demo` shows what vmascope does, `make test` runs every test.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

STATIC := .build-static
VMASCOPE := $(STATIC)/release/vmascope
# What `vmascope --version` names. It comes to the linker as an object whose name says it, so that another commit is
# linked in anew, and nothing is compiled. A tree without Git has it in a file COMMIT, or has none.
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || cat COMMIT 2>/dev/null)$(shell \
	git diff --quiet HEAD -- 2>/dev/null || { git rev-parse HEAD > /dev/null 2>&1 && echo -modified; })
COMMIT_OBJECT := $(STATIC)/commit/$(COMMIT).o
# What stands in for Foundation, which is 6 MB: packaging/essentials says how.
ESSENTIALS := $(STATIC)/essentials/FoundationEssentials
ESSENTIALS_FILES := packaging/essentials/FoundationEssentials.swift Sources/VMAReport/Kit/JSONText.swift
# A fully static executable: it runs in a guest, or a container, with nothing else in it. Without debug
# information, which would be stripped, it is 0.4 MB smaller.
STATIC_FLAGS := -c release --static-swift-stdlib -Xswiftc -static-executable \
	-Xswiftc -I$(CURDIR)/$(dir $(ESSENTIALS)) -Xlinker $(ESSENTIALS).o \
	-Xswiftc -Xfrontend -Xswiftc -disable-implicit-string-processing-module-import \
	-Xswiftc -gnone -Xswiftc -file-prefix-map -Xswiftc $(CURDIR)=. -Xcc -ffile-prefix-map=$(CURDIR)=. \
	-Xcc -DVMASCOPE_STATIC -Xlinker --icf=all \
	-Xlinker --wrap=_swift_stdlib_getScalarName -Xlinker --wrap=_swift_stdlib_getNameAlias \
	-Xlinker --wrap=_swift_stdlib_getAge \
	-Xlinker -lelf -Xlinker -lz -Xlinker -s -Xlinker $(COMMIT_OBJECT)
CC := $(shell command -v cc || command -v clang)
PREFIX ?= /usr/local
# make demo KERNEL=6.1 runs in a guest with that kernel.
KERNEL ?=


# What is written by hand, by language.
SWIFT_FILES = Sources Tests Plugins packaging bench/Sources Package.swift
C_FILES = $(shell git ls-files '*.c' '*.h')
SHELL_FILES = $(shell git grep -lE '^\#!.*[ /](ba)?sh$$') kernels/lib.sh

.PHONY: help deps build dist dist-test demo check format docs test kernels bench fuzz fuzz-parsers survey install clean

help:
	@echo "make demo [KERNEL=6.1]  build, and watch a small workload (in a guest with that kernel)"
	@echo "make check              formatting, lint and unit tests: no root, no guest, under two minutes"
	@echo "make format             bring Swift and C into the house's form"
	@echo "make test               every test, those in guests of some kernels included, and the benchmarks, tiny"
	@echo "make kernels            the tests in guests, of all kernels (KERNELS='6.1 7.3': of these)"
	@echo "make fuzz MINUTES=10    random VMA operations under observation (KERNELS='6.1 7.3': in guests; SEED=n)"
	@echo "make fuzz-parsers MINUTES=10   recordings, ELF files, perf maps, names, JSON and requests that are wrong"
	@echo "make docs               pages of the public types of VMACore and VMAReport, in .build/docs"
	@echo "make bench              what things cost, in tables"
	@echo "make survey             programs of Debian under observation, a row each (PROGRAMS='git redis-bgsave': these)"
	@echo "make dist               a release: tar.gz, .deb, .rpm, OCI image, SBOM, SHA256SUMS (SIGNING_KEY=file: signed)"
	@echo "make dist-test          tries them: a second build, linters, fresh roots, a guest with systemd"
	@echo "make build              the static release executable, $(VMASCOPE)"
	@echo "make install            to $(PREFIX)/bin"
	@echo "make clean              what was built; downloaded kernels stay in .cache"

deps:
	@tools/install-dependencies $(if $(KERNEL),guests) $(TESTS) $(DIST)

$(ESSENTIALS).o: $(ESSENTIALS_FILES)
	@mkdir -p $(dir $@)
	@swiftc -O -whole-module-optimization -parse-as-library -module-name FoundationEssentials \
		-emit-module -emit-module-path $(ESSENTIALS).swiftmodule -emit-object -o $@ $^

# The linker's warnings are about functions of the C library that nothing here calls. BENCH=yes builds the benchmarks,
# too, from the same objects.
build: deps $(ESSENTIALS).o
	@[ -x $(VMASCOPE) ] || echo "building $(VMASCOPE): a first time takes a minute or two" >&2
	@mkdir -p $(STATIC)/commit
	@[ -f $(COMMIT_OBJECT) ] || echo 'const char vms_commit[] = "$(COMMIT)";' | $(CC) -x c -c -o $(COMMIT_OBJECT) -
	@$(if $(BENCH),VMASCOPE_BENCH=yes) swift build $(if $(BENCH),,--product vmascope) --scratch-path $(STATIC) $(STATIC_FLAGS) > $(STATIC)/build.log 2>&1 \
		|| { cat $(STATIC)/build.log >&2; exit 1; }

demo: build
	@mkdir -p $(STATIC)/demo
	@$(CC) -static -O1 -g -fno-omit-frame-pointer -Wall -o $(STATIC)/demo/workload demo/workload.c
ifeq ($(KERNEL),)
	@$(VMASCOPE) run -- $(STATIC)/demo/workload
else
	@kernels/run $(KERNEL) --put $(VMASCOPE) --put $(STATIC)/demo/workload -- /root/vmascope run -- /root/workload
endif

format: deps-check
	@swift format --in-place --recursive $(SWIFT_FILES)
	@clang-format -i $(C_FILES)

.PHONY: deps-check
deps-check:
	@tools/install-dependencies check

# A warning of the compiler in a source of ours ends it. What needs root or a guest is left to `make test`.
check: deps deps-check
	@swift format lint --strict --recursive $(SWIFT_FILES)
	@clang-format --dry-run -Werror $(C_FILES)
	@shellcheck -x -S warning $(SHELL_FILES)
	@esbuild --log-level=warning --target=es2021 Sources/VMAReport/Kit/page.js > /dev/null
	@mkdir -p .build
	@swift build --build-tests > .build/check.log 2>&1 || { cat .build/check.log >&2; exit 1; }
	@! grep -E "^$(CURDIR)/.*warning:" .build/check.log | sort -u | grep . >&2
	@swift test --skip-build --skip ScenarioTests --skip BrowserTests > .build/check.log 2>&1 \
		|| { grep -E "✘|error:" .build/check.log >&2; exit 1; }
	@tail -1 .build/check.log

# The plugin's other warnings are about packages that are not ours.
docs: deps
	@mkdir -p .build/docs
	@for target in VMACore VMAReport; do \
		VMASCOPE_DOCS=1 swift package --allow-writing-to-directory .build/docs generate-documentation --target $$target \
			--warnings-as-errors --output-path .build/docs/$$target > .build/docs.log 2>&1 || { cat .build/docs.log >&2; exit 1; }; \
	done

# Tests that boot guests. They come after the others: emulators leave an observer little time.
IN_GUESTS := GuestTests|RefusedProbeTests|SharingTests|PresentTests

# CHECKED=yes leaves out what `make check` has just built and run.
UNCHECKED = $(if $(CHECKED),--filter 'ScenarioTests|BrowserTests')

# The tests need root, for BPF. What they run is the static executable, as it is shipped.
test: export VMASCOPE_UNDER_TEST := $(CURDIR)/$(VMASCOPE)
# Tests that call `make build` build the same.
test: export BENCH := yes
test: KERNEL := any
test: TESTS := tests bench
test: DIST := dist
test: KERNELS ?= 5.10 6.1 6.12 7.3
test: build
	@kernels/fetch $(KERNELS) > /dev/null
	@mkdir -p .build
	$(if $(CHECKED),,@swift build --build-tests)
	@swift test --skip-build $(UNCHECKED) --skip '$(IN_GUESTS)'
	@VMASCOPE_KERNELS="$(KERNELS)" swift test --skip-build --filter '$(IN_GUESTS)' & tests=$$!; status=0; \
		SMOKE=1 bench/run $(VMASCOPE) > .build/bench.md || status=$$?; wait $$tests; exit $$status

# Installs nothing: a program whose packages are missing is passed over.
survey: build
	@survey/run $(PROGRAMS)

# Each kernel is booted twice. VMASCOPE_UPDATE_KERNELS=1 writes docs/kernels.md anew.
kernels: KERNEL := any
kernels: KERNELS ?= $(shell awk '/^[0-9]/ { print $$1 }' kernels/list)
kernels: build
	@kernels/fetch $(KERNELS) > /dev/null
	@status=0; VMASCOPE_KERNELS="$(KERNELS)" VMASCOPE_PREEMPTION="default full" VMASCOPE_FLIGHT=1 swift test --filter GuestTests || status=$$?; \
		cat .build/kernels.md; exit $$status

# Natively, or with KERNELS='6.1 7.3' in a guest of each. SEED=n begins with that seed.
fuzz: MINUTES ?= 10
fuzz: SEED ?= $(shell date +%s)
fuzz: KERNEL := $(if $(KERNELS),any)
fuzz: build
	@$(CC) -static -O1 -pthread -o $(STATIC)/random scenarios/load/random.c
ifeq ($(KERNELS),)
	@tools/fuzz $(VMASCOPE) $(STATIC)/random $(MINUTES) $(SEED)
else
	@failed=; for kernel in $(KERNELS); do echo "== $$kernel"; \
		kernels/run $$kernel --timeout $$((60 * $(MINUTES) + 1200)) \
			--put $(VMASCOPE) --put $(STATIC)/random --put tools/fuzz -- \
			sh /root/fuzz /root/vmascope /root/random $(MINUTES) $(SEED) || failed="$$failed $$kernel"; \
	done; [ -z "$$failed" ] || { echo "failed on:$$failed" >&2; exit 1; }
endif

# What reads files of others, on bytes that are wrong (SEED=n). Half of the time goes to recordings.
# Optimized, as the executable is, in a place of its own: ten times as many inputs in the same time, and traps of its own.
FUZZ_FLAGS := -c release -Xswiftc -enable-testing --scratch-path .build-fuzz
fuzz-parsers: MINUTES ?= 10
fuzz-parsers: SEED ?= $(shell date +%s)
fuzz-parsers: deps
	@VMASCOPE_FUZZ_BUILD=yes swift build --build-tests $(FUZZ_FLAGS) > /dev/null
	@VMASCOPE_FUZZ_BUILD=yes VMASCOPE_FUZZ_SEED=$(SEED) VMASCOPE_FUZZ_SECONDS=$$((30 * $(MINUTES))) swift test --skip-build $(FUZZ_FLAGS) \
		--filter TraceDamageTests/fuzz | grep -E "fuzzed|✘|error"
	@VMASCOPE_FUZZ_BUILD=yes VMASCOPE_FUZZ_SEED=$(SEED) VMASCOPE_FUZZ_SECONDS=$$((5 * $(MINUTES))) swift test --skip-build --no-parallel $(FUZZ_FLAGS) \
		--filter ParserFuzz | grep -E "fuzzed|✘|error"

# SMOKE=1: once, tiny, to see that they run.
bench: KERNEL := any
bench: TESTS := bench
bench: BENCH := yes
bench: build
	@SMOKE=$(SMOKE) bench/run $(VMASCOPE)

# Two builds of one commit in one place are the same bytes: SOURCE_DATE_EPOCH is the commit's time. In another place the
# hashes of modules, the build id and one byte differ.
dist: DIST := dist
dist: build
	@packaging/dist $(VMASCOPE) dist

dist-test: DIST := dist dist-test
dist-test: KERNEL := any
dist-test: build
	@packaging/dist $(VMASCOPE) dist
	@tools/dist-test dist $(STEPS)

install: build
	install -D -m 755 $(VMASCOPE) $(DESTDIR)$(PREFIX)/bin/vmascope

clean:
	rm -rf .build $(STATIC) dist
