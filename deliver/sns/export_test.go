package sns

import "net/url"

// IsAWS tells whose endpoint gets signatures of the operator's, which no test can ask AWS for.
func IsAWS(u *url.URL, region string) bool { return isAWS(u, region) }
