-- The roles of Development. One statement, and safe to run again.
DO $roles$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'gateway_demo') THEN
        CREATE ROLE gateway_demo LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'gateway_demo_control') THEN
        CREATE ROLE gateway_demo_control LOGIN;
    END IF;

    -- Its own schema to try things in, and the demo tables to read and write; no more.
    GRANT USAGE, CREATE ON SCHEMA public TO gateway_demo;
    GRANT SELECT, INSERT, UPDATE, DELETE ON public.users, public.orders TO gateway_demo;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO gateway_demo;
END
$roles$
