package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"carillon/access"
)

type serveCmd struct {
	houseFlags `embed:""`
	Listen     string `help:"Answer HTTP on this address; port 0 picks a free one." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	DefaultOrg string `help:"The org whose events go to the topic of AWS_SNS_TICKET_TOPIC_ARN: default, or dev with --dev." placeholder:"ORG"`
}

// Run serves until it is told to stop. The one line on stdout says where, once requests are answered.
func (c *serveCmd) Run(ctx context.Context, d *desk) error {
	listener, err := listenOn(ctx, c.Listen, c.Dev)
	if err != nil {
		return err
	}
	if c.PublicURL == "" {
		c.PublicURL = "http://" + listener.Addr().String()
	}
	house, err := openHouse(ctx, c.houseFlags, d.log)
	if err != nil {
		_ = listener.Close()
		return err
	}
	if arn := os.Getenv(ticketTopicVariable); arn != "" {
		if err := house.keepTicketTopic(ctx, c.defaultOrg(), arn); err != nil {
			_ = listener.Close()
			return errors.Join(err, house.close(ctx))
		}
	}
	return house.run(ctx, listener, func() {
		fmt.Fprintf(d.stdout, "listening on http://%s\n", listener.Addr())
	})
}

// defaultOrg is the org of those who have only one.
func (c *serveCmd) defaultOrg() string {
	switch {
	case c.DefaultOrg != "":
		return c.DefaultOrg
	case c.Dev:
		return access.DevOrg
	default:
		return "default"
	}
}
