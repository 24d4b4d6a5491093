package script

import (
	"log/slog"
	"time"
)

// Config bounds what scripts can do. The zero Config has the defaults.
type Config struct {
	// Functions are the names of what a script may ask of its Host: "generateTargetUrl", or "$db.get" for a function of an
	// object. Each takes JSON values and gives a promise.
	Functions []string

	Engines  int           // engines alive at one time, in all; default 16
	PerOwner int           // of these for the installations of one owner; default half of them
	PerKey   int           // of these for one installation; default 4
	Idle     time.Duration // how long an engine stays warm without work; default 1 minute

	Time    time.Duration // an invocation, the Host's answers included; default 20 s
	Loading time.Duration // what an app's files do outside of handlers; default 5 s
	Grace   time.Duration // from the request to stop until the engine's memory is taken away; default 500 ms

	Memory  int // bytes of one engine; default 64 MiB, at least 1 MiB
	Depth   int // calls within calls, those of the language's own functions included; default 1000
	Source  int // bytes of an app's files together; default 1 MiB
	Payload int // bytes of a handler's argument, or of one question to the Host; default 256 KiB
	Output  int // bytes of what an invocation tells the console; default 64 KiB
	Answer  int // bytes of what a handler returns or renders; default 256 KiB
	Pending int // questions to the Host without an answer yet; default 64

	Env    string       // process.env.ENV; default "production"
	Logger *slog.Logger // hears of engines that had to be ended and of Hosts that failed; default: nobody
}

func (c Config) withDefaults() Config {
	positive(&c.Engines, 16)
	positive(&c.PerOwner, (c.Engines+1)/2)
	positive(&c.PerKey, 4)
	positive(&c.Idle, time.Minute)
	positive(&c.Time, 20*time.Second)
	positive(&c.Loading, 5*time.Second)
	positive(&c.Grace, 500*time.Millisecond)
	positive(&c.Memory, 64<<20)
	positive(&c.Depth, 1000)
	positive(&c.Source, 1<<20)
	positive(&c.Payload, 256<<10)
	positive(&c.Output, 64<<10)
	positive(&c.Answer, 256<<10)
	positive(&c.Pending, 64)
	c.Memory = max(c.Memory, 1<<20)
	if c.Env == "" {
		c.Env = "production"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// positive gives what is not positive its default.
func positive[N int | time.Duration](n *N, otherwise N) {
	if *n <= 0 {
		*n = otherwise
	}
}
