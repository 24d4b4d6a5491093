package workshop

import (
	"context"
	"encoding/json"
	"errors"

	"carillon/apps"
	"carillon/apps/script"
)

// entry is the file whose exports are the handlers.
const entry = "server/server.js"

// Script asks the runtime what the scripts of an app export.
type Script struct {
	Config script.Config
}

var _ apps.Script = Script{}

// Exports runs what an app's entry does outside of its handlers.
func (s Script) Exports(ctx context.Context, app *apps.App) (apps.Exports, error) {
	program, err := script.Compile(ctx, app.Sources(), entry, s.Config)
	if failures, ok := errors.AsType[script.Failures](err); ok {
		var e apps.Exports
		for _, f := range failures {
			e.Failures = append(e.Failures, apps.Failure{File: f.File, Line: f.Line, Column: f.Column, Reason: f.Message})
		}
		return e, nil
	}
	if err != nil {
		return apps.Exports{}, err
	}
	return apps.Exports{Functions: program.Exports(), Events: json.RawMessage(program.Events())}, nil
}

// Checks are those that packages are judged by. They are meant for whoever validates or packs an app, too.
func (w *Workshop) Checks() apps.Checks { return apps.Checks{Script: Script{w.config.Script}} }
