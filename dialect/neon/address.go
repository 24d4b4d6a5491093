package neon

import (
	"bytes"
	"strconv"

	"carillon/dialect"
)

// billingAddress is the entry of primaryContact.addresses.address that is the primary one.
var billingAddress = addressTable("billingAddress")

// deliveryAddress is the entry that is the shipping address.
var deliveryAddress = addressTable("deliveryAddress")

// addressTable is an address of the samples, filled from one of the house's.
func addressTable(from string) *table {
	return newTable(
		row{"addressId", vendors},
		row{"isPrimaryAddress", isAddress(from, "billingAddress")},
		row{"isShippingAddress", isAddress(from, "deliveryAddress")},
		row{"addressType", vendors},
		row{"addressLine1", text(from + ".line1")},
		row{"addressLine2", text(from + ".line2")},
		row{"addressLine3", text(from + ".line3")},
		row{"addressLine4", text(from + ".line4")},
		row{"city", text(from + ".city")},
		row{"state", state(from + ".state")},
		row{"county", text(from + ".county")},
		row{"country", land(from + ".country")},
		row{"zipCode", zipCode(from + ".postalCode")},
		row{"zipCodeSuffix", zipCodeSuffix(from + ".postalCode")},
		row{"startDate", vendors},
		row{"endDate", vendors},
	)
}

// isAddress says whether one of the house's addresses is a certain one: the same address can be both.
func isAddress(from, which string) value {
	return value{
		append: func(a *account, b, _ []byte) []byte {
			return strconv.AppendBool(b, from == which || bytes.Equal(a.member(from), a.member(which)))
		},
		schema: map[string]any{"type": "boolean"},
	}
}

// addresses is {"address": …}: one address as an object, several as a list. First those that the vendor sent, in its order: the
// primary and the shipping address with what the house says of them now (gone if the house has dropped it), the others as they
// came. Then those of the house's two that the vendor did not send.
var addresses = value{
	append: func(a *account, b, sent []byte) []byte {
		start := len(b)
		b = append(b, `{"address":`...)
		list := len(b)
		b = append(b, '[')
		count := 0
		add := func(t *table, sent []byte) {
			if count > 0 {
				b = append(b, ',')
			}
			count++
			if t == nil {
				b = append(b, sent...)
				return
			}
			b = append(b, '{')
			b = a.appendMembers(b, t, sent)
			b = append(b, '}')
		}
		billing, delivery := len(a.member("billingAddress")) > len("{}"), len(a.member("deliveryAddress")) > len("{}")
		if billing && bytes.Equal(a.member("billingAddress"), a.member("deliveryAddress")) {
			delivery = false // one address is both
		}
		for address := range several(dialect.Member(sent, "address")) {
			switch {
			case string(dialect.Member(address, "isPrimaryAddress")) == "true":
				if billing {
					add(billingAddress, address)
					billing = false
				}
			case string(dialect.Member(address, "isShippingAddress")) == "true":
				if delivery {
					add(deliveryAddress, address)
					delivery = false
				}
			default:
				add(nil, address)
			}
		}
		if billing {
			add(billingAddress, nil)
		}
		if delivery {
			add(deliveryAddress, nil)
		}
		switch count {
		case 0:
			return b[:start]
		case 1:
			b = append(b[:list], b[list+1:]...) // without its bracket
			return append(b, '}')
		default:
			return append(b, "]}"...)
		}
	},
	schema: oneOrSeveral("address", map[string]any{"type": "object"}),
}
