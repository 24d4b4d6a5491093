package simulator

import (
	"encoding/json"
	"strings"
	"sync"
)

// Account is the vendor's account that made-up events are said to be from: what the settings of a subscription in the
// freshsales dialect say for real ones.
type Account struct {
	Domain    string // sample.myfreshworks.com
	AccountID string
	Region    string // US, EU, EUC, AUS, IND
	URL       string // of the product in which the app is installed
}

// Regions are those that the vendor has.
func Regions() []string { return []string{"US", "EU", "EUC", "AUS", "IND"} }

// check gives what is wrong, by the fields of the form.
func (a Account) check() map[string]string {
	faults := map[string]string{}
	if strings.ContainsAny(a.Domain, "/: \t") || len(a.Domain) > 253 {
		faults["domain"] = "is not a host: write sample.myfreshworks.com"
	}
	if len(a.AccountID) > 128 {
		faults["account"] = "is longer than 128 characters"
	}
	known := a.Region == ""
	for _, r := range Regions() {
		known = known || r == a.Region
	}
	if !known {
		faults["region"] = "is none of " + strings.Join(Regions(), ", ")
	}
	if a.URL != "" && !strings.HasPrefix(a.URL, "https://") && !strings.HasPrefix(a.URL, "http://") || len(a.URL) > 2048 {
		faults["url"] = "does not begin with https://"
	}
	return faults
}

// Settings keep the account that people set on the page /system_settings. The zero value has none.
type Settings struct {
	mu      sync.Mutex
	account Account
}

// Account gives what was set.
func (s *Settings) Account() Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.account
}

func (s *Settings) set(a Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account = a
}

// Over puts what was set over settings of the freshsales dialect. What is no JSON object is given back as it is.
func (s *Settings) Over(settings json.RawMessage) json.RawMessage {
	members := map[string]any{}
	if len(settings) > 0 && json.Unmarshal(settings, &members) != nil {
		return settings
	}
	a := s.Account()
	for name, value := range map[string]string{"domain": a.Domain, "accountId": a.AccountID, "region": a.Region} {
		if value != "" {
			members[name] = value
		}
	}
	if a.URL != "" {
		product, ok := members["productContext"].(map[string]any)
		if !ok {
			product = map[string]any{}
		}
		product["url"] = a.URL
		members["productContext"] = product
	}
	out, err := json.Marshal(members)
	if err != nil {
		return settings
	}
	return out
}
