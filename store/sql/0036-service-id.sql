-- Two services on one namespace of Temporal took each other's tasks: the queue carries this (workflows/messages.ts).
INSERT INTO service_keys (name, value)
  VALUES ('service-id', decode(replace(gen_random_uuid()::text, '-', ''), 'hex')) ON CONFLICT DO NOTHING;
