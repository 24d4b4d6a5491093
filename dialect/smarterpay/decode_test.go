package smarterpay_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/dialecttest"
	"carillon/dialect/smarterpay"
)

func post(body []byte) dialect.Request {
	return dialect.Request{ContentType: "application/json", Header: func(string) string { return "" }, Body: body}
}

func fixtures() dialecttest.DecoderFixtures {
	return dialecttest.DecoderFixtures{
		Connection: &carillon.Connection{ID: "con_1", Org: "dev", Dialect: smarterpay.Name},
		Settings:   json.RawMessage(`{"giftAid":true}`),
		Kinds:      []carillon.Kind{carillon.KindAccount},
		Deletion:   dialect.Whole, // the vendor has no other word for it than inactive
		Prepare:    twoTypes,
		Requests:   []dialect.Request{post(recordCreation), post(recordCreationWithGiftAid)},
	}
}

// twoTypes makes half of the accounts individuals.
func twoTypes(t *rapid.T, c *carillon.Change) {
	if !rapid.Bool().Draw(t, "individual") {
		return
	}
	for _, state := range []*[]byte{&c.Before, &c.After} {
		if *state != nil {
			change := with(&carillon.Change{After: *state}, "type", `"individual"`)
			*state = change.After
		}
	}
}

func TestSmarterPayIsUnderstood(t *testing.T) {
	dialecttest.RunDecoder(t, smarterpay.New(), fixtures())
}

func FuzzDecode(f *testing.F) { dialecttest.FuzzDecode(f, smarterpay.New(), fixtures()) }
