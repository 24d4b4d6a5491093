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

// isAddress says whether one of the house's addresses is a certain one: the same address can be both. What the vendor says is
// kept: it finds the address again.
func isAddress(from, which string) value {
	return value{
		append: func(a *account, b, sent []byte) []byte {
			is := from == which || a.oneAddress
			if sent != nil && isTrue(sent) == is {
				return append(b, sent...)
			}
			return strconv.AppendBool(b, is)
		},
		hear:   keepAll,
		schema: map[string]any{"type": []string{"boolean", "string", "null"}},
	}
}

// isTrue reports whether the vendor says true, also as text.
func isTrue(sent []byte) bool { return string(sent) == "true" || string(sent) == `"true"` }

// part is which of the house's addresses one of the vendor's is.
type part byte

const (
	neither part = iota
	primary
	shipping
)

// parts tells apart the addresses that a vendor sent: the first primary one, the first shipping one beside it, and all others.
type parts struct{ primary, shipping bool }

func (p *parts) of(address []byte) part {
	switch {
	case !p.primary && isTrue(dialect.Member(address, "isPrimaryAddress")):
		p.primary = true
		return primary
	case !p.shipping && isTrue(dialect.Member(address, "isShippingAddress")):
		p.shipping = true
		return shipping
	default:
		return neither
	}
}

// addresses is {"address": …}: one address as an object, several as a list. First those that the vendor sent, in its order: the
// primary and the shipping address with what the house says of them now (gone if the house has dropped it), the others as they
// came. Then those of the house's two that the vendor did not send.
var addresses = value{
	append: appendAddresses,
	hear:   hearAddresses,
	schema: oneOrSeveral("address", map[string]any{"type": "object"}),
}

func appendAddresses(a *account, b, sent []byte) []byte {
	sent = dialect.Member(sent, "address")
	var found parts
	for address := range several(sent) {
		found.of(address)
	}
	billing, delivery := saysSomething(a.member("billingAddress")), saysSomething(a.member("deliveryAddress"))
	a.oneAddress = !found.shipping && billing && bytes.Equal(a.member("billingAddress"), a.member("deliveryAddress"))
	delivery = delivery && !a.oneAddress

	l := newList(b, "address", sent)
	add := func(t *table, sent []byte) { l.b = append(a.appendMembers(append(l.next(), '{'), t, sent), '}') }
	found = parts{}
	for address := range several(sent) {
		switch found.of(address) {
		case primary:
			if billing {
				add(billingAddress, address)
				billing = false
			}
		case shipping:
			if delivery {
				add(deliveryAddress, address)
				delivery = false
			}
		case neither:
			l.b = append(l.next(), address...)
		}
	}
	if billing {
		add(billingAddress, nil)
	}
	if delivery {
		add(deliveryAddress, nil)
	}
	return l.end()
}

// saysSomething reports whether an address has any text.
func saysSomething(address []byte) bool {
	for _, value := range dialect.Members(address) {
		if string(value) != `""` {
			return true
		}
	}
	return false
}

// hearAddresses takes the primary and the shipping address. One that is both is both of the house's.
func hearAddresses(h *hearing, at place, sent []byte) ([]byte, error) {
	inside, err := at.only("address", sent)
	if err != nil {
		return nil, err
	}
	// What is not sent is unset.
	for _, t := range []*table{billingAddress, deliveryAddress} {
		if _, err := h.object(t, at, nil); err != nil {
			return nil, err
		}
	}
	var found parts
	kept := newList(nil, "address", inside)
	below := at.below("address")
	i := 0
	for address := range several(inside) {
		at := below.below(strconv.Itoa(i))
		i++
		rest := address
		switch found.of(address) {
		case primary:
			if isTrue(dialect.Member(address, "isShippingAddress")) && !found.shipping {
				if _, err := h.object(deliveryAddress, at, address); err != nil {
					return nil, err
				}
			}
			rest, err = h.object(billingAddress, at, address)
		case shipping:
			rest, err = h.object(deliveryAddress, at, address)
		case neither:
			if address[0] != '{' {
				err = at.wrong("must be an object")
			}
		}
		if err != nil {
			return nil, err
		}
		kept.b = append(kept.next(), rest...)
	}
	return kept.end(), nil
}
