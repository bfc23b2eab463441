# Configuration of outrigger, and the reference of all that can be configured.
#
#   outrigger validate agent.hcl
#   outrigger agent -config agent.hcl
#
# Every line shows its default unless it says otherwise, so that any of them may
# be left out. Only an upstream is needed, with "listen" and its backends, or a
# service.
#
# Values: text stands in quotes; durations are text such as "250ms", "5s" or
# "1h30m". In place of a value may stand env.NAME, a variable of the environment,
# and file("path"), the text of a file (a relative path starts at the directory
# of the file it is written in).
#
# -config may be given several times, and may name a directory, whose *.hcl are
# read in name order. Each of agent, consul, admin, telemetry and service may be
# written once over all files, upstreams as often as needed. SIGHUP reads everything
# again; where the new configuration has a mistake, the old one stays.

# The process itself.
agent {
  name          = ""     # the app this agent stands beside, in telemetry as outrigger.app.name
  data_dir      = ""     # keeps the last known backends here, for a start without Consul; "" keeps none
  log_level     = "info" # trace, debug, info, warn, error
  log_format    = "text" # text, json
  drain_timeout = "30s"  # for requests in flight to finish at the end; "0s" waits for none
  zone          = ""     # where this agent runs, such as env.ZONE, for prefer_zone; "" is not known

  # Of the file descriptors that the system allows the process, these are kept
  # for the admin listener, Consul and telemetry. Half of the others are for
  # connections from apps, since each may need one to a backend; more wait to be
  # accepted.
  reserved_files = 128

  # What the checks of all upstreams together may cost. Where that is too little
  # for their intervals, these grow; "outrigger status -json" and the metric
  # outrigger.health_check.late tell by how much.
  probes {
    per_second = 1000 # begun in a second
    at_once    = 256  # under way at one moment
  }
}

# How to reach Consul. What is "" here is taken from Consul's own variables, such
# as CONSUL_HTTP_ADDR and CONSUL_HTTP_TOKEN, and then from Consul's defaults.
consul {
  address    = ""   # host:port, http://…, https://… or unix:///…; in the end 127.0.0.1:8500
  token      = ""   # better env.NAME than the token itself; not beside token_file
  token_file = ""   # read again for every query, so that a new token needs no reload
  datacenter = ""   # the agent's own
  namespace  = ""   # Consul Enterprise
  partition  = ""   # Consul Enterprise
  wait       = "1m" # how long Consul may hold back the answer that nothing changed; up to "10m"

  start_jitter = "5s" # first queries are spread over this where backends are known from disk; up to "1m"

  tls {
    ca_file              = ""
    cert_file            = "" # together with key_file
    key_file             = ""
    server_name          = "" # expected in Consul's certificate; "" is the host of the address
    insecure_skip_verify = false
  }
}

# Status, explain, metrics and readiness.
admin {
  listen = "127.0.0.1:9917" # "off" for none
}

# What leaves the agent about itself. The OTEL_* variables override it; what is
# in force, and who said so, is shown by "outrigger status -telemetry".
telemetry {
  shutdown_timeout = "5s" # for the last flush

  traces {
    exporters      = []     # otlp, stdout, or none alone
    protocol       = "grpc" # of otlp: grpc, http/protobuf
    endpoint       = ""     # of otlp, such as "http://127.0.0.1:4317"; "" is the protocol's default on localhost
    compression    = "none" # of otlp: none, gzip
    headers        = {}     # of otlp, such as { api-key = env.API_KEY }
    timeout        = "10s"  # of one export by otlp
    sample_ratio   = 1      # share of new traces that are recorded, 0 to 1; a caller's decision is kept
    trust_incoming = true   # false begins a new trace for every request and links the caller's

    # hop has a span for each request and one below it for each attempt at a
    # backend; client has those of the attempts alone, for an app that has spans of
    # its own for what it asks for.
    mode      = "hop"
    span_name = "semconv" # such as "GET"; upstream: such as "GET payments"
    tcp       = false     # true: a span TCP for each connection of a tcp upstream, at its end

    tls { # for an https endpoint
      ca_file              = ""
      cert_file            = "" # together with key_file
      key_file             = ""
      server_name          = "" # expected in the collector's certificate; "" is the host of the endpoint
      insecure_skip_verify = false
    }
  }

  metrics {
    exporters   = ["prometheus"] # prometheus (on the admin listener), otlp, stdout, or none alone
    protocol    = "grpc"
    endpoint    = ""
    compression = "none"
    headers     = {}
    timeout     = "10s"
    interval    = "1m"         # between two pushes of otlp and stdout
    temporality = "cumulative" # of otlp: cumulative, delta, lowmemory

    latency_buckets     = []    # upper bounds for the durations of requests and attempts, such as ["1ms", "5ms", "25ms"]; [] is OpenTelemetry's, 5ms to 10s
    body_size           = false # measures the sizes of bodies too: http.server.request.body.size and the like
    connection_duration = false # measures how long connections to backends last: http.client.connection.duration
    backend_limit       = 256   # backends of an upstream with series of their own, 1 to 10000; the others are summed as _other

    tls {
      ca_file              = ""
      cert_file            = ""
      key_file             = ""
      server_name          = ""
      insecure_skip_verify = false
    }
  }

  # Every change of state is an event: a log record with a name, such as
  # outrigger.backend.ejected. telemetry/REFERENCE.md lists them. The agent's own
  # log goes to standard error, as agent.log_level and agent.log_format say, and
  # from a level on along with the events too.
  logs {
    exporters   = [] # otlp, stdout, or none alone
    protocol    = "grpc"
    endpoint    = ""
    compression = "none"
    headers     = {}
    timeout     = "10s"
    level       = "off" # of lines that go along: off, or as agent.log_level

    tls {
      ca_file              = ""
      cert_file            = ""
      key_file             = ""
      server_name          = ""
      insecure_skip_verify = false
    }
  }

  # A line for each request, and for each connection of tcp upstreams at its end.
  # None waits for it: what finds no room is dropped, and counted by
  # outrigger.access_log.lines. Queries are never written, nor headers that hold
  # credentials. SIGHUP opens the file again.
  access_log {
    # off, json, common (that of NCSA's httpd), or a text in which {name} stands
    # for something of the request, such as "{method} {path} {status} {duration}".
    # There are time, time_common, client, method, path, protocol, status,
    # bytes_in, bytes_out, duration and upstream_time (in seconds), attempts,
    # upstream, backend, zone, outcome, error, trace_id, span_id,
    # request_header:NAME and response_header:NAME; {{ and }} are braces. Of a
    # connection, bytes are all that passed and upstream_time is that until a
    # backend had taken it; the protocol is TCP, and what it has not is "-", or
    # left out of json.
    format           = "off"
    output           = "stdout" # stdout, stderr or the path of a file
    sample           = 1        # share of requests that have a line, 0 to 1; by trace ID, as sample_ratio goes
    status           = []       # such as ["500-599"]: these have one whatever the share is
    min_duration     = "0s"     # and those that take so long, unless it is "0s"
    retried          = false    # and with true those that took several attempts
    failed           = false    # and with true those whose outcome is failed
    request_headers  = []       # of json, such as ["User-Agent"]
    response_headers = []
    buffer           = "1MiB" # of lines that wait to be written; 4KiB to 64MiB
  }
}

# The app that this agent stands beside, for others to find it in Consul. Without
# this block it is not registered. The agent registers it as soon as Consul
# answers and again whenever Consul has lost it, and takes it out before it
# drains, or when the block is removed. With ACLs on, the token above needs
# service:write for it.
service "shop" {
  id                        = ""   # unique at Consul's agent; "" is made of the name, the host and the port
  address                   = ""   # by which others reach the app; "" is that of Consul's node
  port                      = 8080 # no default
  tags                      = []
  meta                      = {}    # such as { version = "2" }
  enable_tag_override       = false # lets others change the tags in the catalog
  region                    = ""    # its locality, from Consul 1.17 on; see prefer_zone
  zone                      = ""    # not without a region
  deregister_critical_after = "0s"  # of being critical, Consul takes it out; "1m" or more, "0s": never
  deregister_wait           = "5s"  # from taking it out to the drain, for others to notice; the app has to go on as long

  # Its share beside the other instances.
  weights {
    passing = 1
    warning = 1 # while a check says warning; 0: none
  }

  # Checks that Consul's agent makes, at most one of each type. Without any the
  # app counts as healthy as long as it is registered.
  check "http" {
    path     = "/health" # at address, or 127.0.0.1
    url      = ""        # instead of path, such as "https://shop.internal:8443/health"
    header   = {}        # such as { Host = "shop.internal" }
    interval = "10s"     # "1s" or more
    timeout  = "2s"      # at most the interval
  }
  check "tcp" {
    address = ""    # host:port; "" is that of the app
    tls     = false # and of grpc
  }
  check "grpc" {
    service = "" # the name asked for; "" is the server as a whole
  }

  # A check that this agent makes: it connects to the app every interval, and
  # tells Consul what came of it. When the agent is gone it expires.
  check "ttl" {
    ttl = "30s" # how long a report counts
  }
}

# An upstream is one service that the app calls on an address of its own machine.
upstream "web" {
  listen           = "127.0.0.1:9101" # no default; or "unix:///run/web.sock"; port 0 takes a free one
  protocol         = "http"           # http: HTTP/1.1, h2c, gRPC and WebSocket on one port; tcp: bytes
  # http only. auto: HTTP/1.1, and HTTP/2 for gRPC; http1; HTTP/2 for everything is
  # h2c in the clear, and h2 with the tls block below.
  backend_protocol = "auto"
  # least_response_time (the default of http), least_connections (that of tcp),
  # round_robin, weighted_round_robin, random, ip_hash, consistent_hash,
  # power_of_two, least_request, first
  strategy         = "least_response_time"
  hash_on          = "client_ip"      # of consistent_hash: client_ip; http only: path, header:NAME, cookie:NAME
  hash_balance     = 0                # of consistent_hash and ip_hash: with 1.25 a backend takes at most 1.25 times its share of what is in flight, and keys move on; 0: no bound
  shadow_strategy  = ""               # a second strategy, asked about every request and not obeyed: explain compares the two
  prefer_zone      = true             # backends in agent.zone first, others for what those cannot carry
  # What becomes of what is under way with a backend that was removed from the
  # catalog, or from this file. keep: it goes on; drain: it ends after remove_grace,
  # if the backend has not come back; close: TCP connections and upgraded ones such
  # as WebSocket end at once, requests as with drain. A request that may be made
  # twice goes to another backend then, if its answer has not begun. Connections
  # that carry nothing are closed at once in any case.
  on_remove        = "keep"
  remove_grace     = "30s"

  # Its backends are the instances of a service in Consul.
  consul {
    service        = "web" # no default
    tags           = []    # an instance must carry all of them
    filter         = ""    # over the health entries, such as "Service.Meta.version == \"2\""
    datacenter     = ""    # here and below, "" is what the consul block above says
    namespace      = ""
    partition      = ""
    near           = ""         # nearest first from this node; "_agent" is the local one
    tagged_address = ""         # lan, wan, …: used where an instance has it
    zone_from      = "locality" # of the service, else of its node; or node_meta:KEY, service_meta:KEY
    priority_from  = ""         # node_meta:KEY or service_meta:KEY, a number from 0 to 127; see priority of a server below
    peer           = ""         # a peered cluster that exports the service; not beside datacenter
    ignore_checks  = []         # IDs and names of checks that have no say; maintenance always has
    prepared_query = ""         # a prepared query or a name that a template matches, which then says service, tags, filter, near and failover in their place; needs query:read
    on_empty       = "hold"     # when all instances were deregistered, and Consul's leader confirms it: hold those that probes find up, or drop all
    on_empty_hold  = "1m"       # how long they are held

    # Other places, in order of preference: each steps in for what those before
    # it cannot carry. As many blocks as there are places, each with at least one
    # of its attributes. There is none unless it is written.
    failover {
      datacenter = "dc2" # or a peer
      service    = ""    # here and below, "" is what the consul block around it says
      namespace  = ""
      partition  = ""
    }
    failover { peer = "west" }
  }

  # TLS to the backends, for http (https) and tcp, and for the health checks of
  # this upstream. Without this block they are talked to in the clear. The files
  # are read again when they change: new connections use them, open ones go on.
  tls {
    ca_file     = "" # of the CAs that backends are trusted by (PEM); "" are those of the system
    cert_file   = "" # what the agent shows of itself, and what leads to its CA (PEM); together with key_file
    key_file    = "" # mode 0600
    server_name = "" # the name in the backends' certificates, and of SNI; "" is the host of a backend's address: instances from Consul have mostly IP addresses, which few certificates hold

    # In place of server_name, names of which a certificate has to hold one: DNS
    # names, and SPIFFE IDs such as Consul's mesh gives to services, whose last
    # part may be *, for all that goes on from there:
    # ["spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/web", "dns:web.internal"]
    match = []

    min_version          = "1.2" # or "1.3"
    insecure_skip_verify = false # true takes any certificate: whoever is between can read and change everything
  }

  # A backend that is new, or up again, begins with a part of its share.
  slow_start {
    window        = "0s" # until it has the whole; "0s": it has at once
    aggression    = 1    # 1 is linear; more gives more share early, less later; 0.1 to 10
    least_percent = 10   # of its share, to begin with
  }

  # Use some of very many backends only, so that connections do not grow as
  # agents times backends. Agents spread evenly over all of them.
  subset {
    size   = 0  # backends to use of each priority and zone; 0: all
    client = "" # what tells this agent from the others, best a number from 0 on such as env.NOMAD_ALLOC_INDEX; "" is agent.name and the name of the host
  }

  health {
    # Who is believed where Consul and the check below contradict each other:
    # worst (both must be for a backend), catalog (the check is only shown), probe
    # (the check, once it has decided), any (one that is for it is enough).
    # Maintenance and failed requests count with each of them.
    merge           = "worst"
    warning         = "reduced"   # what a warning in Consul leaves a backend: reduced (its warning weight), passing (its whole weight), out (nothing)
    consul_fall     = "0s"        # how long Consul must speak against a backend that is up, until that counts
    panic           = "threshold" # where fewer are up than panic_threshold: threshold (use all), fail_closed (refuse requests), off (use those that are up)
    panic_threshold = 50          # percent of backends up; 0: never. Not beside panic = "off"
    max_stale       = "24h"       # how long the catalog's word counts while Consul cannot be reached

    # A check that the agent itself makes, beside Consul's. None is made unless
    # this block is there. Others are check "tcp" and check "grpc". Upstreams that
    # check one address alike share the checks.
    check "http" {
      path     = "/health"
      status   = ["200-399"] # good answers: codes and ranges of codes
      host     = ""          # the Host header; "" is the backend's address
      interval = "5s"
      timeout  = "2s" # at most the interval
      rise     = 2    # good checks in a row that bring a backend up
      fall     = 3    # bad checks in a row that take it down

      trust_traffic = false # true: no check of a backend that is up and has answered a request well within the interval
    }

    # Takes a backend out for a while because of what real requests met there.
    ejection {
      consecutive_failures = 5     # 0: no ejection; one that cannot be reached is out at the first
      base_time            = "30s" # times the number of its ejections so far
      max_time             = "5m"
      max_percent          = 10 # of the backends, though one may always be out
    }

    # Keeps a backend out that goes up and down again and again, also by
    # ejection, within max_percent above. Each change adds 1 to its penalty. None
    # is kept out unless this block is there.
    damping {
      suppress  = 6     # the penalty above which it is kept out, from 2 on
      reuse     = 3     # the penalty at which it is let in; by default half of suppress
      half_life = "10m" # in which a penalty halves
      max_time  = "40m" # the longest it is kept out at a stretch; by default 4 half-lives
    }
  }

  # What happens to a request that a backend failed.
  retry {
    max               = 2  # further attempts; 0: none
    budget_percent    = 20 # retries as a share of requests
    budget_per_second = 10 # retries that are allowed in any case

    # Answers that are to be had from another backend, where the request may be
    # made twice: statuses such as "502-504", "retry-after" (a 503 that says when
    # to come again), and statuses of gRPC such as "grpc:14" (UNAVAILABLE), which
    # are retried for every call. http only.
    on = []

    # Asks a second backend where the first takes longer than most answers took
    # lately, and takes the answer that comes first. Only what may be done twice
    # is, within the budget above, and no request of a session (see sticky). There
    # is none unless this block is there. http only.
    hedge {
      percentile = 95    # of the times to the head of an answer, after which it takes long; 50 to 99.9
      least      = "5ms" # the least to wait, however quick most are
    }
  }

  # http only: how connections to backends are kept for the next request.
  connections {
    idle     = "1m" # how long without work; less than backends keep them
    max_idle = 512  # of the upstream, without work
    max_age  = "0s" # how long in all; "0s" is for ever
    warm     = 0    # made to each backend ahead of the first request
  }

  # "0s" is no bound. Only connect and tunnel are for tcp too.
  timeouts {
    connect    = "1s"  # to a backend, the TLS handshake included
    first_byte = "1m"  # from the request being sent to the head of the answer
    idle       = "5m"  # between two reads of a body or a stream
    client     = "5m"  # for the app to take the next of an answer
    request    = "0s"  # the whole of it, retries included
    tunnel     = "1h"  # of silence on a TCP connection or an upgraded one
    header     = "10s" # for the app to send the head of a request
    keep_alive = "15m" # between two requests on one connection from the app
  }

  # What goes through it. Where one of the first four is 0 there is no limit.
  # Beyond max_requests a request is answered with 503, beyond max_header_bytes
  # and max_headers with 431, beyond max_request_line with 414; connections beyond
  # max_connections wait to be accepted. Whatever is set here, once the process
  # needs 90% of its memory limit (GOMEMLIMIT, or by itself 90% of its container's)
  # connections end with their next answer, and from 95% on requests get 503.
  limits {
    max_requests            = 10000   # http only: in flight at once
    max_connections         = 10000   # from the app at once
    max_requests_per_server = 0       # in flight at once at one backend that names no limit itself
    max_queue               = 0       # that may wait while every backend is at its limit; 0: none, they fail at once
    queue_timeout           = "1s"    # the longest that one waits; "0s": as long as the request lives
    max_header_bytes        = "64KiB" # http only: the head of a request or an answer; bytes, or KiB, MiB
    max_headers             = 256     # http only: fields in one
    max_request_line        = "8KiB"  # http only: of HTTP/1.1

    # http only, each of them. None is in force unless its block is there.

    # Requests beyond it are answered with 429 and Retry-After: nothing is at its
    # limit but the client, and many know to slow down for 429 only.
    rate_limit {
      requests_per_second = 100 # in the long run; no default
      burst               = 100 # that may come at once; by default those of a second
    }

    # Refuses requests with 503 and Retry-After where too many failed: without an
    # answer, with a status from 500 on, or with one of gRPC that says the like.
    # A change of its state is logged.
    circuit_breaker {
      failure_percent = 50    # of the requests in the window, from which on it is open
      window          = "10s" # which slides
      min_requests    = 20    # in the window; it stays closed below
      open_time       = "5s"  # until some requests are tried
      trial_requests  = 3     # that have to succeed for it to close, and are tried at once
    }

    # Finds out how many requests in flight the backends can do with: as many as
    # do not make them slower. More are answered with 503. Twice a minute it
    # measures their latency with half as many.
    adaptive_concurrency {
      min       = 10   # that are always allowed
      max       = 1000 # that are allowed at most
      tolerance = 1.5  # times the latency without load that is no sign of it
    }
  }

  # http only. What the app and the backends are told.
  headers {
    x_forwarded   = true  # X-Forwarded-For, -Host and -Proto for backends
    via           = true  # Via for backends
    forwarded     = false # Forwarded (RFC 7239) for backends
    request_id    = false # an X-Request-Id, a random UUID, where a request has none
    trusted_peers = ["127.0.0.0/8", "::1/128"] # whose X-Forwarded-* and Forwarded are passed on, beside unix sockets; those of others are dropped

    # Changes of what backends get: first remove, then set, which replaces, then
    # add. Values may name {client_ip}, {host}, {method}, {path}, {request_id},
    # {upstream}, {backend_id} and {backend_address}; where one comes out empty
    # there is no such header. What frames a message, belongs to one connection or
    # says where a request goes (Host) cannot be changed.
    request {
      set    = {} # such as { "X-Client" = "{client_ip}" }
      add    = {}
      remove = [] # such as ["Cookie"]
    }

    # Changes of what the app gets of backends' answers.
    response {
      set    = {}
      add    = {}
      remove = []
    }
  }
}

# An upstream without Consul has its backends written down.
upstream "ledger" {
  listen           = "127.0.0.1:9102"
  backend_protocol = "h2c"
  strategy         = "least_connections"

  server "a" {
    address         = "127.0.0.1:8081" # no default; host:port or unix:///…
    weight          = 1                # its share beside the others, 1 to 65535
    max_connections = 0                # requests (http) or connections (tcp) at once; 0: no limit
    zone            = ""               # see prefer_zone
    priority        = 0                # of its failover group, 0 to 127: greater ones step in for what those before cannot carry
  }
  server "b" { address = "127.0.0.1:8082" }

  # http only. Keeps a client at one backend by a cookie, whatever the strategy;
  # where that backend is out it goes to another, and stays there. Without this
  # block there is no cookie. The backends never see it.
  sticky {
    cookie = "outrigger" # no default; a name that the app does not use
    ttl    = "0s"        # how long the client keeps it, from when it gets it; "0s": until it is closed
    path   = "/"         # below which the client sends it
  }

  health {
    check "grpc" {
      service = "" # the name asked for; "" is the server as a whole
    }
  }
}

# An upstream of bytes: a database, a queue, mail. What says "http only" above is
# not for it, and what follows is for it only.
upstream "mail" {
  listen       = "127.0.0.1:9103"
  protocol     = "tcp"
  accept_proxy = false                       # true: every connection begins with a header of the PROXY protocol, version 1 or 2, which says who the client is; one without it, or where it takes more than 10s, is closed
  trusted      = ["127.0.0.0/8", "::1/128"] # who may connect then: networks and addresses; a unix socket's mode says so itself
  send_proxy   = ""                          # v1, v2: backends get such a header

  server "a" { address = "127.0.0.1:8025" }
}
