package script_test

import (
	"context"
	"fmt"

	"carillon/apps/script"

	"github.com/go-json-experiment/json/jsontext"
)

// greetings is a Host that knows one thing.
type greetings struct{}

func (greetings) Call(_ context.Context, function string, args jsontext.Value) (jsontext.Value, error) {
	if function == "$db.get" && string(args) == `["greeting"]` {
		return jsontext.Value(`{"text":"Hello"}`), nil
	}
	return nil, &script.Rejection{Status: 404, Message: "Record not found"}
}

func Example() {
	ctx := context.Background()
	config := script.Config{Functions: []string{"$db.get"}}
	files := map[string]string{"server/server.js": `
exports = {
	onContactCreate: async function (args) {
		const { text } = await $db.get("greeting");
		console.log("%s, %s!", text, args.data.contact.first_name);
	},
	onContactUpdate: async function (args) {
		await $db.get(args.data.contact.id);
	},
};`}
	program, err := script.Compile(ctx, files, "server/server.js", config)
	if err != nil {
		fmt.Println(err)
		return
	}
	pool := script.NewPool(config)
	defer pool.Close()
	event := jsontext.Value(`{"data": {"contact": {"id": 1, "first_name": "Jane"}}}`)
	for _, handler := range program.Exports() {
		result, err := pool.Invoke(ctx, "installation 1", program, handler, event, greetings{})
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, line := range result.Logs {
			fmt.Println(line.Level, line.Text)
		}
		if result.Failure != nil {
			fmt.Println("failed:", result.Failure)
		}
	}
	// Output:
	// info Hello, Jane!
	// failed: server/server.js:8:16: Record not found (status 404)
}
