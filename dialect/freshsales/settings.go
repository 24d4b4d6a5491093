package freshsales

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/dialect"
)

// The products: the suite, and Classic with its plain form.
const (
	productSuite   = "freshworks_crm"
	productClassic = "freshsales"
)

// regions are those that the vendor's page lists.
var regions = []string{"US", "EU", "EUC", "AUS", "IND"}

// settings are a subscription's.
type settings struct {
	// AccountID is the vendor's account. Default: the org.
	AccountID string `json:"accountId"`
	// Domain is the host of the account, Region where the app is installed. The defaults are those of the vendor's samples.
	Domain string `json:"domain"`
	Region string `json:"region"`
	// ProductContext is the product that the app is installed in; its name is Product.
	ProductContext struct {
		URL  string `json:"url"`
		Name string `json:"name"`
	} `json:"productContext"`
	// Product is freshworks_crm, or freshsales for the Classic form.
	Product string `json:"product"`
	// IParams are the installation parameters of the app, an object.
	IParams jsontext.Value `json:"iparams"`

	head []byte // the beginning of every payload
}

// Bounds of settings.
const (
	maxText    = 2048
	maxIParams = 32 << 10
)

// CheckSettings reads {accountId, domain, region, productContext: {url, name}, product, iparams}, all of them optional.
func (d *Dialect) CheckSettings(text json.RawMessage) (dialect.Settings, error) {
	var s settings
	if err := dialect.ReadSettings(text, &s); err != nil {
		return nil, err
	}
	if s.Domain == "" {
		s.Domain = "sample.myfreshworks.com"
	}
	if s.Region == "" {
		s.Region = "US"
	}
	if s.Product == "" {
		s.Product = s.ProductContext.Name
	}
	if s.Product == "" {
		s.Product = productSuite
	}
	if s.ProductContext.Name == "" {
		s.ProductContext.Name = s.Product
	}
	if s.ProductContext.URL == "" {
		s.ProductContext.URL = "https://" + s.Domain + "/crm"
	}
	if len(s.IParams) == 0 || string(s.IParams) == null {
		s.IParams = jsontext.Value(`{}`)
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	s.head = append([]byte(`{"iparams":`), s.IParams...)
	s.head = append(s.head, `,"region":`...)
	s.head = dialect.AppendString(s.head, s.Region)
	s.head = append(s.head, `,"productContext":{"url":`...)
	s.head = dialect.AppendString(s.head, s.ProductContext.URL)
	s.head = append(s.head, `,"name":`...)
	s.head = dialect.AppendString(s.head, s.ProductContext.Name)
	s.head = append(s.head, `},"data":`...)
	return &s, nil
}

func (s *settings) check() error {
	for member, text := range map[string]string{"accountId": s.AccountID, "domain": s.Domain, "productContext/url": s.ProductContext.URL} {
		if len(text) > maxText {
			return carillon.Invalid("/settings/"+member, "is too long")
		}
	}
	switch {
	case strings.ContainsAny(s.Domain, "/ \t\r\n"):
		return carillon.Invalid("/settings/domain", "must be a host, without scheme and path")
	case !slices.Contains(regions, s.Region):
		return carillon.Invalid("/settings/region", "must be one of "+strings.Join(regions, ", "))
	case s.Product != productSuite && s.Product != productClassic:
		return carillon.Invalid("/settings/product", "must be "+productSuite+" or "+productClassic)
	case s.ProductContext.Name != s.Product:
		return carillon.Invalid("/settings/productContext/name", "must be the product")
	case s.IParams.Kind() != '{' || s.IParams.Format() != nil:
		return carillon.Invalid("/settings/iparams", "must be an object")
	case len(s.IParams) > maxIParams:
		return carillon.Invalid("/settings/iparams", "is too large")
	}
	return nil
}
