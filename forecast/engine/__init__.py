"""From a scenario to futures: plan, kernel, closed forms, dataset."""
