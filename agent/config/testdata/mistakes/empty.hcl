agent { name = "shop" }
