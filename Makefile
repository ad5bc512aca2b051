# Everything that is done with a checkout. CMake does the building: see CMakePresets.json.
PREFIX ?= /usr/local
SEEDS  ?= 5000
FUZZ_SECONDS ?= 60
DEPS   ?= tools/install-deps

.PHONY: help demo test deb test-deb build bench bench-herd bench-scale bench-soak bench-threads bench-layers bench-attack bench-directory cost fuzz sim install lint picture format clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: ## install what is missing, then move a real file through a tunnel on loopback
	$(DEPS) demo
	@$(MAKE) --no-print-directory build
	@tools/demo

test: ## install what is missing, then build and run every test that CI runs
	$(DEPS) test
	@$(MAKE) --no-print-directory build
	@tools/test

build: ## release programs in build/release/
	cmake --preset release
	cmake --build --preset release

bench: ## side-by-side benchmark: a table here, figures in build/bench/
	$(DEPS) bench
	@$(MAKE) --no-print-directory build
	@bench/run.py

bench-scale: ## cost against 1 to 5,000 open connections, and agents: tables here, a plot in build/bench/
	$(DEPS) bench
	@$(MAKE) --no-print-directory build
	@bench/scale.py
	@bench/sessions.py

bench-herd: ## 5,000 agents lose their server at once and come back; a frozen agent's takeover
	$(DEPS) bench
	@$(MAKE) --no-print-directory build
	@bench/herd.py

bench-soak: ## 10,000 idle agents and 5,000 visitors, held for 10 minutes
	$(DEPS) bench
	@$(MAKE) --no-print-directory build
	@bench/soak.py

bench-layers: ## where the CPU time of a GiB, a connection and a request goes (as root)
	$(DEPS) bench
	@$(MAKE) --no-print-directory build
	@bench/layers.py

cost: ## instructions of the hot paths, against those of the baseline
	$(DEPS) test
	@$(MAKE) --no-print-directory build
	@cmake --build --preset release --target cost
	@tests/cost/guard.py

bench-threads: ## one event loop of the server beside two, with four agents over wss
	$(DEPS) bench
	@$(MAKE) --no-print-directory build
	@bench/threads.py

bench-attack: ## p99 of good visitors while slow attackers are at the front door
	$(DEPS) bench
	@$(MAKE) --no-print-directory build
	@bench/attack.py

bench-directory: ## 20 servers and 2,000 agents, as a full mesh and with a directory: a table
	$(DEPS) bench
	@$(MAKE) --no-print-directory build
	@bench/directory.py

fuzz: ## every fuzz target for FUZZ_SECONDS (60)
	$(DEPS) test
	@tools/fuzz $(FUZZ_SECONDS)

sim: ## the simulator over SEEDS (5000) seeds, of tunnels, rooms, peers and the directory
	$(DEPS) test
	cmake --preset dev
	cmake --build --preset dev --target tests/sim/sim
	build/dev/tests/sim/sim --seeds $(SEEDS)
	build/dev/tests/sim/sim --rooms --seeds $(SEEDS)
	build/dev/tests/sim/sim --mesh --seeds $(SEEDS)
	build/dev/tests/sim/sim --directory --seeds $(SEEDS)

install: build ## into DESTDIR and PREFIX (/usr/local)
	cmake --install build/release --prefix "$(PREFIX)"

deb: ## Debian packages in build/deb/
	$(DEPS) deb
	@tools/deb

test-deb: ## what `make test` does with packages and Containerfile, in a Debian of their own (as root)
	$(DEPS) test-deb
	python3 -m unittest -v tests.packaging.test_deb
	python3 -m unittest -v tests.packaging.test_container

lint: ## the guards of the house: layers, symbols, style, format, clang-tidy
	$(DEPS) test
	cmake --preset dev
	cmake --build --preset dev
	ctest --test-dir build/dev -L lint --output-on-failure

picture: build ## draw docs/images/terminal.svg of what runs meanwhile
	$(DEPS) test
	@tools/picture

format: ## lay out every C file by .clang-format
	tools/lint/format --fix

clean: ## remove everything that was built
	rm -rf build
