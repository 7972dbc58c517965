// Package keys tests client keys over the pair as people run it: three gateways behind the
// balancer, two tokenstores, a real Redis. It is about what only shows there: that limits hold over
// all replicas and are used up, that a change of a key holds everywhere at once, what is served
// while gateways die or the tokenstore is away, and what official clients see of a refusal.
package keys
