package tokenform

import (
	"strings"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var orders = [...]struct {
	name  string
	order tokenstorev1.TokenOrder
}{
	{"created_at", tokenstorev1.TokenOrder_TOKEN_ORDER_UNSPECIFIED},
	{"alias", tokenstorev1.TokenOrder_TOKEN_ORDER_ALIAS},
	{"state", tokenstorev1.TokenOrder_TOKEN_ORDER_STATE},
	{"expires_at", tokenstorev1.TokenOrder_TOKEN_ORDER_EXPIRES},
	{"requests", tokenstorev1.TokenOrder_TOKEN_ORDER_REQUESTS},
	{"failures", tokenstorev1.TokenOrder_TOKEN_ORDER_FAILURES},
	{"last_used_at", tokenstorev1.TokenOrder_TOKEN_ORDER_LAST_USED},
}

// SortNames are what lists of tokens can be sorted by: names of fields of T.
func SortNames() []string {
	names := make([]string, len(orders))
	for i, each := range orders {
		names[i] = each.name
	}
	return names
}

// Sort reads what a list is sorted by: a name of SortNames, with a minus before it the other way
// round; false where it is none.
func Sort(text string) (order tokenstorev1.TokenOrder, descending, known bool) {
	name, descending := strings.CutPrefix(text, "-")
	for _, each := range orders {
		if each.name == name {
			return each.order, descending, true
		}
	}
	return 0, false, false
}
