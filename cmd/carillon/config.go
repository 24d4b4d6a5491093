package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
)

// maxConfig bounds a config file in bytes.
const maxConfig = 1 << 20

// config gives flags the values of a config file, whose members are named as the flags are, without dashes in front:
//
//	listen: 0.0.0.0:8080
//	log-format: json
type config struct {
	path   string
	values *koanf.Koanf
}

var _ kong.Resolver = (*config)(nil)

// readConfig reads YAML, of which JSON is a part.
func readConfig(path string) (*config, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the config file: %w", err)
	}
	if info.Size() > maxConfig {
		return nil, fmt.Errorf("read the config file: %s is larger than %d bytes", path, maxConfig)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the config file: %w", err)
	}
	c := &config{path: path, values: koanf.New("\x00")} // no delimiter: settings have one level
	if err := c.values.Load(rawbytes.Provider(data), yaml.Parser()); err != nil {
		return nil, fmt.Errorf("read the config file: %s: %w", path, err)
	}
	return c, nil
}

// Validate refuses settings that no command knows.
func (c *config) Validate(app *kong.Application) error {
	known := map[string]bool{}
	_ = kong.Visit(app.Node, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known[flag.Name] = true
		}
		return next(nil)
	})
	for _, name := range c.values.Keys() {
		if !known[name] || name == "config" || name == "help" {
			return fmt.Errorf("config file %s: %q is not a setting", c.path, strings.ReplaceAll(name, "\x00", "."))
		}
	}
	return nil
}

// Resolve gives the file's value for a flag that neither the command line nor the environment sets.
func (c *config) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil //nolint:nilnil // kong's word for "not here"
		}
	}
	switch value := c.values.Get(flag.Name).(type) {
	case nil:
		return nil, nil //nolint:nilnil // kong's word for "not here"
	case []any:
		parts := make([]string, len(value))
		for i, part := range value {
			parts[i] = fmt.Sprint(part)
		}
		return strings.Join(parts, ","), nil
	default:
		return fmt.Sprint(value), nil
	}
}
