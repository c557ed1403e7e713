module example.org/activities

go 1.19
