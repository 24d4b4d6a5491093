package sns

import (
	"net/url"
	"regexp"
	"strings"

	"carillon"
)

// The members that Open reads.
const (
	topicMember    = "/sink/topicArn"
	regionMember   = "/sink/region"
	endpointMember = "/sink/endpoint"
)

// topic is where a sink publishes.
type topic struct {
	arn    string
	region string
	fifo   bool
}

// arnShape is the ARN of a topic: partition, region, account, and the name, which ends in .fifo if the topic is one.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html#amazonsns-resources-for-iam-policies
// The region becomes part of a host name, so it is read strictly.
var arnShape = regexp.MustCompile(`^arn:aws(?:-[a-z]{1,8}){0,2}:sns:([a-z]{2,8}(?:-[a-z]{2,16}){1,3}-[0-9]{1,2}):([0-9]{12}):([A-Za-z0-9_-]{1,256}(?:\.fifo)?)$`)

const maxTopicName = 256

// parseTopic reads a topic's ARN. The region may be named as well, but there is only one to name.
func parseTopic(arn, region string) (topic, error) {
	if arn == "" {
		return topic{}, carillon.Invalid(topicMember, "is required")
	}
	parts := arnShape.FindStringSubmatch(arn)
	if parts == nil || len(parts[3]) > maxTopicName {
		return topic{}, carillon.Invalid(topicMember, "is not the ARN of a topic, such as arn:aws:sns:eu-central-1:123456789012:tickets")
	}
	if region != "" && region != parts[1] {
		return topic{}, carillon.Invalid(regionMember, "is not the region of the topic, "+parts[1])
	}
	return topic{arn: arn, region: parts[1], fifo: strings.HasSuffix(parts[3], ".fifo")}, nil
}

// parseEndpoint reads the URL of a server other than the operator's; nil if none is named.
func (s *Sender) parseEndpoint(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // none is a good answer
	}
	u, err := s.config.Gate.ParseURL(text, endpointMember, "https", "http")
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return nil, carillon.Invalid(endpointMember, "must not have a query")
	}
	return u, nil
}

// isAWS reports whether a URL is one of AWS's own for SNS in the region: public, FIPS, dual-stack, or a VPC's endpoint.
// A name that only ends in amazonaws.com may be anybody's server.
func isAWS(u *url.URL, region string) bool {
	if u.Scheme != "https" {
		return false
	}
	service, zone, ok := strings.Cut(u.Hostname(), "."+region+".")
	if !ok {
		return false
	}
	switch zone {
	case "amazonaws.com", "amazonaws.com.cn", "api.aws", "api.amazonwebservices.com.cn":
		return service == "sns" || service == "sns-fips"
	case "vpce.amazonaws.com", "vpce.amazonaws.com.cn":
		return vpcEndpoint.MatchString(service)
	}
	return false
}

// vpcEndpoint is an endpoint that only AWS's own service SNS is behind; those of others have vpce-svc in the second place.
var vpcEndpoint = regexp.MustCompile(`^vpce-[0-9a-z-]+\.sns$`)
