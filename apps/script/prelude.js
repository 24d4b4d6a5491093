// What an app's files find around them, made before any of them runs. source(file) gives the function made of a file, or the
// value of a JSON file; resolve(from, name) gives the file that a require means. Both are the engine's.
(function (source, resolve, env) {
	"use strict";
	const { apply, ownKeys } = Reflect;
	const { hasOwn, freeze } = Object;
	const { isArray } = Array;
	const { stringify } = JSON;

	globalThis.process = freeze({ env: freeze({ ENV: env }) });
	delete globalThis.SharedArrayBuffer;
	delete globalThis.Atomics;

	const modules = { __proto__: null };

	function load(file) {
		if (file in modules) {
			return modules[file].exports;
		}
		const made = source(file);
		const module = (modules[file] = { id: file, exports: {} });
		if (typeof made !== "function") {
			module.exports = made;
			return made;
		}
		const given = module.exports;
		const require = (name) => load(resolve(file, name));
		const directory = file.slice(0, Math.max(0, file.lastIndexOf("/")));
		let done = false;
		try {
			const left = apply(made, given, [given, require, module, file, directory]);
			// "exports = {…}" gives the variable another value, which the wrapper returns.
			if (module.exports === given && left !== undefined) {
				module.exports = left;
			}
			done = true;
		} finally {
			if (!done) {
				delete modules[file];
			}
		}
		return module.exports;
	}

	let handlers;
	const find = (name) => {
		const found = handlers !== null && typeof handlers === "object" && hasOwn(handlers, name) ? handlers[name] : undefined;
		return typeof found === "function" ? found : undefined;
	};
	return {
		find,
		load(file) {
			handlers = load(file);
		},
		describe() {
			if (handlers === null || typeof handlers !== "object") {
				return stringify({ functions: [] });
			}
			const functions = ownKeys(handlers).filter((name) => typeof name === "string" && find(name));
			const events = isArray(handlers.events) ? handlers.events : undefined;
			return stringify({ functions, events });
		},
	};
})
