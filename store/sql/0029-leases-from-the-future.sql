-- How long a lease lasts without a renewal. One that ends later than that from now was written while PostgreSQL's clock
-- was ahead: it is no lease, or nothing would lead until the clock has caught up.
ALTER TABLE leases ADD COLUMN length interval NOT NULL DEFAULT '5 seconds';
