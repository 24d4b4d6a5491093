package client_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"time"

	"carillon"
	"carillon/client"
)

// A program writes an account and reads what came of it.
func ExampleClient() {
	house, err := openHouse(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer house.close()
	ctx := context.Background()

	c, err := client.New(house.URL, "dev")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.HTTP.CloseIdleConnections()
	accounts := c.Records(carillon.KindAccount)
	if _, err := accounts.Put(ctx, "acc_1", map[string]any{"name": "Example Ltd", "health": "Healthy"}); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := accounts.Patch(ctx, "acc_1", map[string]any{"health": "At Risk"}); err != nil {
		fmt.Println(err)
		return
	}
	_, err = accounts.Patch(ctx, "acc_1", map[string]any{"health": 3})
	if p := client.AsProblem(err); p != nil {
		fmt.Println(p.Code, p.Faults[0].Member)
	}
	for e, err := range c.AllEvents(ctx, client.EventQuery{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Seq, e.EventType)
	}
	// Output:
	// invalid /health
	// 1 account:created
	// 2 account:updated
	// 2 account-health:changed
}

// A program follows the log for as long as it likes; a broken connection is not its concern.
func ExampleClient_Stream() {
	house, err := openHouse(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer house.close()
	c, err := client.New(house.URL, "dev")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.HTTP.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	if _, err := c.Records(carillon.KindAccount).Put(ctx, "acc_1", map[string]any{"name": "Example Ltd"}); err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range c.Stream(ctx, client.StreamQuery{EventQuery: client.EventQuery{Types: []string{"account:*"}}}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Seq, e.Type)
		break
	}
	// Output:
	// 1 account:created
}

// A customer receives webhooks: each event once, in order per account.
func ExampleReceiver() {
	house, err := openHouse(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer house.close()
	c, err := client.New(house.URL, "dev")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.HTTP.CloseIdleConnections()
	ctx := context.Background()

	// The secret is told when the subscription is made, so the address comes first.
	hooks := httptest.NewUnstartedServer(nil)
	subscription, err := c.CreateSubscription(ctx, client.Subscription{
		Name: "crm", Events: []string{"account-health:changed"},
		Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: "http://" + hooks.Listener.Addr().String()},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver, err := client.NewReceiver(client.ReceiverOptions{Secrets: []string{subscription.Secret}})
	if err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan struct{})
	receiver.Handle("account-health:changed", func(_ context.Context, d *client.Delivery) error {
		fmt.Fprintln(os.Stdout, d.EventType, "in lane", d.Lane)
		close(done)
		return nil
	})
	hooks.Config.Handler = receiver
	hooks.Start()
	defer hooks.Close()

	accounts := c.Records(carillon.KindAccount)
	for _, health := range []string{"Healthy", "At Risk"} {
		if _, err := accounts.Put(ctx, "acc_1", map[string]any{"name": "Example Ltd", "health": health}); err != nil {
			fmt.Println(err)
			return
		}
	}
	<-done
	// Output:
	// account-health:changed in lane acc_1
}
