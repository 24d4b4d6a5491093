package main

import (
	"github.com/alecthomas/kong"

	"carillon/client"
)

// cli is the grammar: flags that every command takes, and the commands, one file each.
type cli struct {
	Config    string `help:"Read settings from this YAML or JSON file; flags and environment variables win over it." type:"path" placeholder:"FILE"`
	LogLevel  string `help:"Log what is at least so important: debug, info, warn, error." default:"info" enum:"debug,info,warn,error"`
	LogFormat string `help:"How log lines are written: text, json." default:"text" enum:"text,json"`

	Serve   serveCmd   `cmd:"" help:"Run the server."`
	Demo    demoCmd    `cmd:"" help:"Show a small story arriving as webhooks, on a server of its own."`
	Key     keyCmd     `cmd:"" help:"Make, list and delete API keys in a data directory."`
	Listen  listenCmd  `cmd:"" help:"Show events as they happen, and forward them to a local URL."`
	Trigger triggerCmd `cmd:"" help:"Make an event of a type happen, by real writes."`
	Events  eventsCmd  `cmd:"" help:"Follow, list, show and resend events."`
	App     appCmd     `cmd:"" help:"Try, validate and pack apps; install them on a server."`
	Bench   benchCmd   `cmd:"" help:"Measure this machine against the budget."`
	Version versionCmd `cmd:"" help:"Print the version."`

	BenchHandler benchHandlerCmd `cmd:"" hidden:"" help:"Serve without a store, for bench to measure against."`
}

// serverFlags say which server a client command speaks to.
type serverFlags struct {
	URL    string `help:"The server's URL." default:"http://127.0.0.1:8080" placeholder:"URL"`
	APIKey string `help:"The API key." default:"dev" placeholder:"KEY"`
}

func (f serverFlags) client() (*client.Client, error) {
	c, err := client.New(f.URL, f.APIKey)
	if err != nil {
		return nil, wrongUsage("%v", err)
	}
	c.UserAgent = "carillon/" + programVersion()
	return c, nil
}

// BeforeResolve reads the config file, if one is named, before flags that were not given get their values.
func (c *cli) BeforeResolve(k *kong.Context) error {
	for _, flag := range k.Model.Flags {
		if flag.Name != "config" {
			continue
		}
		path, ok := k.FlagValue(flag).(string)
		if !ok || path == "" {
			return nil
		}
		settings, err := readConfig(path)
		if err != nil {
			return err
		}
		k.AddResolver(settings)
	}
	return nil
}
