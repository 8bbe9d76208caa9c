# Everything a person types. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help setup build demo test page bench lint docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing: Debian packages, ONNX Runtime
	@scripts/setup.sh

build: ## the program: target/release/vantage
	cargo build --release --locked

# Variables given to make (CLIP, MODEL, URL, DEMO_SECONDS) reach the script by the environment.
demo: setup ## serve a clip as a camera and analyse it [CLIP=… MODEL=… URL=… DEMO_SECONDS=…]
	@scripts/demo.sh

test: ## install what tests need, then run all of them
	@scripts/setup.sh --tests
	cargo test --locked --no-fail-fast
	scripts/page.sh check
	scripts/page.sh test
	cargo test --locked --features kafka,oidc --test sinks --test api -- kafka:: oidc::

page: ## of the tests, only the page in a real browser, against the program that was built last
	@scripts/setup.sh --tests
	scripts/page.sh test

bench: ## microbenchmarks; `vantage bench CLIP` measures the whole
	cargo bench --locked

lint: ## formatting, clippy, shell scripts, licences
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	shellcheck scripts/*.sh .ci/run
	@scripts/audit.sh

docs: ## API documentation: target/doc/vantage
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

clean: ## remove build results and demo data; ONNX Runtime stays
	cargo clean
	rm -rf .vantage/demo
