package token

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/proto/valid"
)

// MaxRoutes bounds the routes of a store.
const MaxRoutes = 500

// Bounds of one route.
const (
	maxTargets  = 32
	maxMatch    = 200 // bytes
	maxPriority = 100
	maxShare    = 1000
)

// anyText is what a pattern has where any text may stand.
const anyText = "*"

var routeName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// checkRouteName refuses names that no route can have.
func checkRouteName(name string) error {
	if !routeName.MatchString(name) {
		return errors.New("name: 1 to 64 lower-case letters, digits, `-`, `_` and `.`, beginning with a letter or a digit")
	}
	return nil
}

// CompleteRoute is the route that is meant by one that is put: it matches its own name where
// it does not say what, and values that can be written in several ways are written in one.
// Whether it can be is for CheckRoute to say.
func CompleteRoute(put *tokenstorev1.Route) *tokenstorev1.Route {
	meant := proto.CloneOf(put)
	meant.Match = cmp.Or(meant.GetMatch(), meant.GetName())
	for _, parameter := range meant.GetParameters() {
		parameter.Value = normalParameter(parameter.GetValue())
	}
	return meant
}

// CheckRoute answers everything that is wrong with a route, each problem beginning with the
// member that has it, as the admin API names it.
func CheckRoute(route *tokenstorev1.Route) error {
	problems := []error{checkRouteName(route.GetName()), checkMatch("match", route.GetMatch())}
	if n := len(route.GetTargets()); n < 1 || n > maxTargets {
		problems = append(problems, fmt.Errorf("targets: 1 to %d wanted, not %d", maxTargets, n))
	}
	first := map[[2]string]int{}
	pattern := strings.Contains(route.GetMatch(), anyText)
	for i, target := range route.GetTargets() {
		at := fmt.Sprintf("targets[%d]", i)
		problems = append(problems, checkTarget(at, target, pattern))
		way := [2]string{target.GetUpstream(), target.GetModel()}
		if other, known := first[way]; known {
			problems = append(problems, fmt.Errorf("%s: has the upstream and the model of targets[%d]", at, other))
		} else {
			first[way] = i
		}
	}
	return errors.Join(append(problems, checkParameters(route.GetParameters()))...)
}

func checkTarget(at string, target *tokenstorev1.RouteTarget, pattern bool) error {
	var problems []error
	if CheckUpstreamName(target.GetUpstream()) != nil {
		problems = append(problems, fmt.Errorf("%s.upstream: the name of an upstream wanted", at))
	}
	if target.GetModel() != "" {
		problems = append(problems, checkMatch(at+".model", target.GetModel()))
	}
	if strings.Contains(target.GetModel(), anyText) && !pattern {
		problems = append(problems, fmt.Errorf("%s.model: a `*` stands for what that of match stood for, and match has none", at))
	}
	return errors.Join(append(problems,
		within(at+".priority", target.GetPriority(), 0, maxPriority), within(at+".weight", target.GetWeight(), 1, maxShare))...)
}

// checkMatch answers what is wrong with a model's name that may be a pattern.
func checkMatch(at, match string) error {
	switch {
	case match == "" || len(match) > maxMatch:
		return fmt.Errorf("%s: 1 to %d bytes", at, maxMatch)
	case valid.Line("name", match) != nil || strings.ContainsRune(match, ' '):
		return fmt.Errorf("%s: no spaces and no control characters", at)
	case strings.Count(match, anyText) > 1:
		return fmt.Errorf("%s: at most one `*`", at)
	default:
		return nil
	}
}
