package config

import (
	"slices"
	"time"
)

func (s *Service) spec() spec {
	return spec{
		fields: []field{
			text("service", &s.Name, "", notEmpty, consulName),
			list("tags", &s.Tags, nil, parseText, notEmpty, printable),
			text("filter", &s.Filter, "", orEmpty(filterExpression)),
			text("datacenter", &s.Datacenter, "", consulName),
			text("peer", &s.Peer, "", consulName),
			text("namespace", &s.Namespace, "", consulName),
			text("partition", &s.Partition, "", consulName),
			text("near", &s.Near, "", consulName),
			text("tagged_address", &s.TaggedAddress, "", consulName),
			text("zone_from", &s.ZoneFrom, "locality", metaKey("locality")),
			text("priority_from", &s.PriorityFrom, "", orEmpty(metaKey())),
			text("prepared_query", &s.PreparedQuery, "", consulName),
			list("ignore_checks", &s.IgnoreChecks, nil, parseText, notEmpty, printable),
			text("on_empty", &s.OnEmpty, "hold", oneOf("hold", "drop")),
			duration("on_empty_hold", &s.OnEmptyHold, time.Minute, atLeast(time.Millisecond)),
		},
		blocks: []child{
			{name: "failover", many: true, spec: func(string) spec {
				var place Failover
				p := place.spec()
				p.done = func(b *block) {
					place.finish(b, s.Failover)
					s.Failover = append(s.Failover, place)
				}
				return p
			}},
		},
	}
}

func (s *Service) finish(b *block) {
	rejectBoth(b, s.Datacenter, s.Peer)
	s.finishQuery(b)
	if s.OnEmpty == "drop" && b.has("on_empty_hold") && b.sound("on_empty") {
		b.reject("on_empty_hold", `on_empty_hold does nothing with on_empty "drop"`, "remove the one or the other")
	}
}

// finishQuery holds a prepared query against what it says itself.
func (s *Service) finishQuery(b *block) {
	if s.PreparedQuery == "" || !b.sound("prepared_query") {
		if !b.has("service") && b.sound("prepared_query") {
			b.decoder.reportAbsence(b.header, "consul has no service", `write its name in Consul: service = "NAME"`)
		}
		return
	}
	for _, name := range []string{"service", "tags", "filter", "datacenter", "peer", "namespace", "partition", "near"} {
		if b.has(name) {
			b.reject(name, name+" does nothing beside prepared_query", "the query says it: remove the one or the other")
		}
	}
	for _, place := range b.blocks["failover"] {
		b.decoder.report(SeverityError, place.header, "failover does nothing beside prepared_query", "the query says it: remove the one or the other")
	}
}

func (f *Failover) spec() spec {
	return spec{fields: []field{
		text("datacenter", &f.Datacenter, "", consulName),
		text("peer", &f.Peer, "", consulName),
		text("service", &f.Service, "", consulName),
		text("namespace", &f.Namespace, "", consulName),
		text("partition", &f.Partition, "", consulName),
	}}
}

// finish holds a place against those before it.
func (f *Failover) finish(b *block, earlier []Failover) {
	rejectBoth(b, f.Datacenter, f.Peer)
	switch {
	case !b.sound("datacenter", "peer", "service", "namespace", "partition"):
	case *f == Failover{}:
		b.decoder.reportAbsence(b.header, "failover names no other place", `write at least one of datacenter, peer, service, namespace, partition`)
	case slices.Contains(earlier, *f):
		b.decoder.report(SeverityError, b.header, "this failover is the same as an earlier one", "remove it")
	}
}

// rejectBoth reports a datacenter beside a peer, whose services are known here.
func rejectBoth(b *block, datacenter, peer string) {
	if datacenter != "" && peer != "" && b.sound("datacenter", "peer") {
		b.reject("peer", b.title+" has both datacenter and peer", "keep the one or the other: what a peer exports is asked for in the own datacenter")
	}
}
