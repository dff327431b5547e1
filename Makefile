# Each target installs what it lacks (scripts/setup.sh) and says so first; when nothing is missing that takes no time.

SOC ?= t31
KERNEL ?=
KERNEL_TREE ?=
KERNEL_DEFCONFIG ?=
CROSS_COMPILE ?=
VOICES ?= en
N ?= 200
SEED ?= 1

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup image release release-check qemu-test test lint bench torture clean

# An emulated camera waits more than it works: for keys, for its flash chip, for its card.
CAMERAS_AT_ONCE ?= $(shell echo $$((2 * $$(nproc))))

# A rustup that was installed a minute ago is not on the PATH of this shell yet.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## Install everything that any target needs
	@scripts/setup.sh

image: ## Make an SD card in dist/<soc>/ (SOC=t31 or t20; for a real camera KERNEL=<uImage> or KERNEL_TREE=<dir>; VOICES= for none)
	@VOICES="$(VOICES)" KERNEL_TREE="$(KERNEL_TREE)" KERNEL_DEFCONFIG="$(KERNEL_DEFCONFIG)" CROSS_COMPILE="$(CROSS_COMPILE)" \
	scripts/image.sh "$(SOC)" "$(KERNEL)"

release: ## Make a release in dist/release/ and check it (KERNEL_T31=, KERNEL_T20=: a card for real cameras)
	@scripts/release.sh
	@scripts/check-release.sh

release-check: release ## Make the release once more, elsewhere, and compare all bytes
	@scripts/check-reproducible.sh

test: ## Run the tests that need no emulated camera
	@scripts/setup.sh host test
	cargo test --workspace --exclude wz-testbed
	cargo test --package wz-testbed --lib --bins --test owner_tool --test kernel_tree

qemu-test: export WZ_THOROUGH := 1
qemu-test: test ## Run these, then every test on the emulated camera
	@inputs=$$(scripts/test-inputs.sh) && eval "$$inputs" && \
	qemu/self-test.sh && cargo test --package wz-testbed --test camera -- --test-threads $(CAMERAS_AT_ONCE)

lint: ## Check format, clippy for computer and camera, scripts, licences of dependencies
	@scripts/lint.sh

bench: ## Measure what operations cost on the emulated camera
	@inputs=$$(scripts/test-inputs.sh) && eval "$$inputs" && cargo run --quiet --package wz-testbed -- bench

torture: ## Cut the power at N random flash operations (N=200; SEED=<n> N=1 repeats one)
	@inputs=$$(scripts/test-inputs.sh) && eval "$$inputs" && \
	WZ_CUTS="$(N)" WZ_SEED="$(SEED)" cargo test --package wz-testbed --test camera -- --nocapture a_cut_in_any_flash_operation

clean: ## Remove what was built here (the cache folder, with kernel and tools, stays)
	cargo clean
	rm -rf dist
