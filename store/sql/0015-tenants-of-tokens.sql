-- A tenant is there from the first token of the operators' issuer on that names it.
GRANT INSERT ON tenants TO slipway_worker;
